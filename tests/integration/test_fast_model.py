"""The static model that ships: its layout, its size, what loads it, and what it must be able to do."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import me5
from me5 import Role, load_encoder
from trainer.evaluation.tatoeba import XTREME_36, evaluate_tatoeba, mean_to_english

MODEL = Path(me5.__file__).parent / "fast"
TATOEBA = MODEL.parents[2] / "shared" / "data" / "eval" / "tatoeba" / "tatoeba-v1.tar.xz"
MAX_BYTES = 48_000_000
XTREME_BAR = 72.0

MIXED_TEXTS = [
    "Where is the nearest hospital?",
    "Wo ist das nächste Krankenhaus?",
    "أين أقرب مستشفى؟",
    "ที่ไหนคือโรงพยาบาลที่ใกล้ที่สุด",
    "🙂👍🏽",
    "a",
    "\u0007\u200b control \u202e characters",
    "word " * 2_000,
    "",
]

# The same five statements, line by line; written for this test.
SENTENCES = {
    "en": ["The child drinks milk.", "It will rain tomorrow.", "My brother bought a new car.", "I do not speak English.", "Where is the train station?"],
    "de": ["Das Kind trinkt Milch.", "Morgen wird es regnen.", "Mein Bruder hat ein neues Auto gekauft.", "Ich spreche kein Englisch.", "Wo ist der Bahnhof?"],
    "fr": ["L'enfant boit du lait.", "Il va pleuvoir demain.", "Mon frère a acheté une nouvelle voiture.", "Je ne parle pas anglais.", "Où est la gare ?"],
    "es": ["El niño bebe leche.", "Mañana va a llover.", "Mi hermano compró un coche nuevo.", "No hablo inglés.", "¿Dónde está la estación de tren?"],
    "it": ["Il bambino beve il latte.", "Domani pioverà.", "Mio fratello ha comprato una macchina nuova.", "Non parlo inglese.", "Dov'è la stazione ferroviaria?"],
    "nl": ["Het kind drinkt melk.", "Morgen gaat het regenen.", "Mijn broer heeft een nieuwe auto gekocht.", "Ik spreek geen Engels.", "Waar is het treinstation?"],
    "ru": ["Ребёнок пьёт молоко.", "Завтра будет дождь.", "Мой брат купил новую машину.", "Я не говорю по-английски.", "Где находится вокзал?"],
    "tr": ["Çocuk süt içiyor.", "Yarın yağmur yağacak.", "Erkek kardeşim yeni bir araba aldı.", "İngilizce konuşmuyorum.", "Tren istasyonu nerede?"],
    "el": ["Το παιδί πίνει γάλα.", "Αύριο θα βρέξει.", "Ο αδελφός μου αγόρασε καινούργιο αυτοκίνητο.", "Δεν μιλάω αγγλικά.", "Πού είναι ο σταθμός του τρένου;"],
    "ar": ["الطفل يشرب الحليب.", "سوف تمطر غدا.", "اشترى أخي سيارة جديدة.", "لا أتكلم الإنجليزية.", "أين محطة القطار؟"],
    "he": ["הילד שותה חלב.", "מחר ירד גשם.", "אחי קנה מכונית חדשה.", "אני לא מדבר אנגלית.", "איפה תחנת הרכבת?"],
    "hi": ["बच्चा दूध पीता है।", "कल बारिश होगी।", "मेरे भाई ने नई गाड़ी खरीदी।", "मैं अंग्रेज़ी नहीं बोलता।", "रेलवे स्टेशन कहाँ है?"],
    "ja": ["子供は牛乳を飲む。", "明日は雨が降るでしょう。", "兄は新しい車を買った。", "私は英語を話しません。", "駅はどこですか。"],
    "zh": ["孩子喝牛奶。", "明天会下雨。", "我哥哥买了一辆新车。", "我不会说英语。", "火车站在哪里？"],
}  # fmt: skip

SCRIPTS = {
    "Latin": "Øystre Slidre", "Greek": "ψυχή", "Cyrillic": "Қазақстан", "Armenian": "Հայաստան", "Georgian": "საქართველო",
    "Hebrew": "שָׁלוֹם", "Arabic": "پاکستان ڪ", "Syriac": "ܣܘܪܝܝܐ", "Thaana": "ދިވެހި", "Devanagari": "विज्ञान", "Bengali": "বাংলা",
    "Gurmukhi": "ਪੰਜਾਬੀ", "Gujarati": "ગુજરાતી", "Odia": "ଓଡ଼ିଆ", "Tamil": "தமிழ்", "Telugu": "తెలుగు", "Kannada": "ಕನ್ನಡ",
    "Malayalam": "മലയാളം", "Sinhala": "සිංහල", "Thai": "ภาษาไทย", "Lao": "ພາສາລາວ", "Tibetan": "བོད་སྐད", "Burmese": "မြန်မာ",
    "Ethiopic": "አማርኛ", "Cherokee": "ᏣᎳᎩ", "Khmer": "ភាសាខ្មែរ", "Mongolian": "ᠮᠣᠩᠭᠣᠯ", "Hangul": "한국어", "Han": "漢字𠮷",
    "Kana": "ひらがなカタカナ", "N'Ko": "ߒߞߏ", "Tifinagh": "ⵜⴰⵎⴰⵣⵉⵖⵜ", "Javanese": "ꦗꦮ", "Ol Chiki": "ᱥᱟᱱᱛᱟᱲᱤ", "Gothic": "𐌲𐌿𐍄",
    "emoji": "🦆👩‍🚀", "private use": "\ue000",
}  # fmt: skip


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("fast", device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def transformers_parts():
    from transformers import AutoModel, AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL), AutoModel.from_pretrained(MODEL).eval()


def plain_vectors(parts, texts):
    """Masked mean and unit length, with nothing but transformers."""
    tokenizer, model = parts
    batch = tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
    with torch.no_grad():
        hidden = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    mask = batch["attention_mask"][..., None]
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).numpy()


def test_the_folder_is_complete_and_small():
    names = {path.relative_to(MODEL).as_posix() for path in MODEL.rglob("*") if path.is_file()}
    expected = {
        *(
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
        ),
        *("modules.json", "1_Pooling/config.json", "config_sentence_transformers.json", "README.md"),
    }
    assert expected <= names
    assert sum((MODEL / name).stat().st_size for name in names) <= MAX_BYTES
    config = json.loads((MODEL / "config.json").read_text(encoding="utf8"))
    assert (config["model_type"], config["num_hidden_layers"]) == ("bert", 0)
    prompts = json.loads((MODEL / "config_sentence_transformers.json").read_text(encoding="utf8"))["prompts"]
    assert prompts == {"query": "query: ", "passage": "passage: "}


def test_the_card_names_licences_and_limits():
    card = (MODEL / "README.md").read_text(encoding="utf8")
    assert "license: apache-2.0" in card
    for word in ("CC BY-SA", "NTREX", "Tatoeba", "Left out", "word order"):
        assert word in card


def test_layer_norm_is_linear_so_that_pieces_keep_their_weight(transformers_parts):
    _, model = transformers_parts
    ids = torch.arange(300, 2_300).reshape(4, 500)
    with torch.no_grad():
        hidden = model(input_ids=ids).last_hidden_state
        stored = model.embeddings.word_embeddings(ids)
    scale = float(hidden.norm() / stored[..., :-3].norm())
    # A row of 8-bit numbers is balanced to a few per cent, which LayerNorm makes good.
    torch.testing.assert_close(hidden[..., :-3], stored[..., :-3] * scale, rtol=0.06, atol=0.01)
    assert (hidden[..., -3:] == 0).all()
    lengths = hidden.norm(dim=-1)
    assert lengths.max() > 2 * lengths.min()  # an ordinary LayerNorm would make them alike


def test_encoder_and_sentence_transformers_agree_with_plain_transformers(encoder, transformers_parts):
    from sentence_transformers import SentenceTransformer

    expected = plain_vectors(transformers_parts, ["query: " + text for text in MIXED_TEXTS])
    ours = encoder.encode(MIXED_TEXTS, Role.QUERY)
    theirs = SentenceTransformer(str(MODEL), device="cpu").encode(MIXED_TEXTS, prompt_name="query")
    assert (ours * expected).sum(axis=1).min() >= 0.999999
    assert (theirs * expected).sum(axis=1).min() >= 0.999999
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_nothing_is_unknown_in_any_script(transformers_parts, text):
    tokenizer, _ = transformers_parts
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids
    assert tokenizer.unk_token_id not in ids


def test_translations_are_nearest_to_each_other(encoder):
    english = encoder.encode(SENTENCES["en"])
    right = {}
    for language, sentences in SENTENCES.items():
        nearest = (encoder.encode(sentences) @ english.T).argmax(axis=1)
        right[language] = int((nearest == np.arange(len(sentences))).sum())
    assert all(count >= 4 for count in right.values()), right
    assert sum(right.values()) >= 0.95 * 5 * len(SENTENCES), right


def test_a_question_finds_the_passage_in_another_language(encoder):
    passages = [
        "Die Photosynthese wandelt Licht in chemische Energie um. Pflanzen nehmen dabei Kohlendioxid und Wasser auf.",
        "La revolución industrial comenzó en Gran Bretaña y cambió el trabajo en las fábricas y las ciudades.",
        "Чтобы установить программу, скачайте файл с сайта и запустите его, затем перезагрузите компьютер.",
        "このスープを作るには、野菜を切って水と塩を入れ、三十分煮ます。",
    ]
    questions = [
        "How do plants use light and water?",
        "Where did the industrial revolution begin?",
        "How do I install the program on my computer?",
        "How do I cook this vegetable soup?",
    ]
    scores = encoder.encode(questions, Role.QUERY) @ encoder.encode(passages, Role.PASSAGE).T
    assert (scores.argmax(axis=1) == np.arange(4)).all()


@pytest.mark.skipif(not TATOEBA.is_file(), reason="the Tatoeba v1 archive is not in this checkout")
def test_tatoeba_accuracy_is_above_the_bar(encoder):
    scores = evaluate_tatoeba(TATOEBA, encoder.encode, XTREME_36)
    assert len(scores) == 36
    assert mean_to_english(scores) >= XTREME_BAR
