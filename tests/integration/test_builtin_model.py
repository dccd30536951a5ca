"""The model that ships as ``builtin``: its files, what opens it, and what it must be able to do."""

import json
import lzma
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import me5
from me5 import Role, export_model, load_encoder
from me5.neutral_map import FILE_NAME, NeutralMap, languages_beside
from trainer.evaluation.tatoeba import XTREME_36, evaluate_tatoeba, mean_to_english

MODEL = Path(me5.__file__).parent / "builtin"
TATOEBA = MODEL.parents[2] / "shared" / "data" / "eval" / "tatoeba" / "tatoeba-v1.tar.xz"
MAX_BYTES = 50_000_000
XTREME_BAR = 87.0

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


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("builtin", device="cpu", precision="fp32")


def test_the_folder_is_complete_and_small():
    names = {path.relative_to(MODEL).as_posix() for path in MODEL.rglob("*") if path.is_file()}
    expected = {"config.json", "model.safetensors", "tokenizer.json.xz", FILE_NAME}
    expected.add(languages_beside(Path(FILE_NAME)).name)
    assert expected | {"config_sentence_transformers.json"} <= names
    assert sum((MODEL / name).stat().st_size for name in names) <= MAX_BYTES
    config = json.loads((MODEL / "config.json").read_text(encoding="utf8"))
    assert (config["model_type"], config["num_hidden_layers"]) == ("bert", 12)
    assert config["vocab_size"] == 250_037, "no piece is dropped"
    prompts = json.loads((MODEL / "config_sentence_transformers.json").read_text(encoding="utf8"))["prompts"]
    assert (prompts["query"], prompts["passage"]) == ("query: ", "passage: ")
    tokenizer = json.loads(lzma.decompress((MODEL / "tokenizer.json.xz").read_bytes()))
    assert len(tokenizer["model"]["vocab"]) == 250_002


def test_both_engines_and_int8_agree(encoder):
    texts = [sentence for sentences in SENTENCES.values() for sentence in sentences]
    exact = encoder.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(exact, axis=1), 1, atol=1e-5)
    torch = load_encoder("builtin", engine="torch", device="cpu", precision="fp32").encode(texts)
    assert (exact * torch).sum(axis=1).min() >= 0.999999
    rounded = load_encoder("builtin", device="cpu", precision="int8").encode(texts)
    assert 0.99 <= (exact * rounded).sum(axis=1).min() < 0.999999


def test_it_is_language_neutral_by_definition(encoder):
    own = NeutralMap.load(MODEL / FILE_NAME)
    assert encoder.neutral == own and encoder.contract.neutral == own.digest
    assert me5.resolve_spec("builtin").contract == encoder.contract
    texts = SENTENCES["de"] + SENTENCES["ja"]
    published = encoder.with_neutral(None).encode(texts)
    np.testing.assert_allclose(encoder.encode(texts), own(published), atol=1e-6)
    assert (encoder.encode(texts) * published).sum(axis=1).max() < 0.99


def test_what_is_left_of_a_language_is_known(encoder):
    means = encoder.neutral.languages
    assert len(means.languages) >= 199
    leans = [
        means.leanings(vector)[language] > np.mean([means.leanings(vector)[other] for other in SENTENCES])
        for language, sentences in SENTENCES.items()
        for vector in encoder.encode(sentences)
    ]
    assert np.mean(leans) >= 0.6  # to its own language, where chance gives half: training left little of it


def test_what_a_text_says_counts_for_more_than_its_language(encoder):
    """Of the nearest sentences in any language, nearly all are translations; the map costs none."""

    def translations_found(model):
        vectors = np.concatenate([model.encode(sentences) for sentences in SENTENCES.values()])
        scores = vectors @ vectors.T - 2 * np.eye(len(vectors))
        nearest = np.argsort(-scores, axis=1)[:, : len(SENTENCES) - 1]
        statement = np.arange(len(vectors)) % 5
        return (statement[nearest] == statement[:, None]).mean()

    assert translations_found(encoder) >= 0.95
    assert translations_found(encoder.with_neutral(None)) <= translations_found(encoder)


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


def test_the_exported_folder_gives_the_same_vectors(encoder, tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = tmp_path / "exported"
    assert export_model("builtin", folder) == encoder.neutral
    texts = [sentence for sentences in SENTENCES.values() for sentence in sentences]
    peer = SentenceTransformer(str(folder), device="cpu").encode(texts, prompt_name="passage")
    expected = encoder.encode(texts, Role.PASSAGE)
    assert (peer * expected).sum(axis=1).min() >= 0.99999
    assert (peer * encoder.encode(texts)).sum(axis=1).max() < 0.99999
    again = load_encoder(str(folder), device="cpu", precision="fp32")
    assert again.neutral == encoder.neutral
    assert (again.encode(texts, Role.PASSAGE) * expected).sum(axis=1).min() >= 0.99999
    shutil.rmtree(folder)  # half a gigabyte


def test_a_query_needs_no_torch():
    program = (
        "import sys, me5; me5.load_encoder('builtin', device='cpu').encode(['river']);"
        "sys.exit(' '.join({'torch', 'transformers'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not TATOEBA.is_file(), reason="the Tatoeba v1 archive is not in this checkout")
def test_tatoeba_accuracy_is_above_the_bar():
    encode = partial(load_encoder("builtin", device="cpu").encode, role=Role.BITEXT)
    scores = evaluate_tatoeba(TATOEBA, encode, XTREME_36)
    assert len(scores) == 36
    assert mean_to_english(scores) >= XTREME_BAR
