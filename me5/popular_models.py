"""The records of models that people choose in 2026, beside those of the mE5 report (``me5.known_models``).

What was read for each is in its ``source``; numbers of layers follow from the published parameters. No hub
was reachable when they were written: folders of their architecture with random weights were opened, never
their published weights (``was_opened`` is False, and docs/models.md says so).
"""

from typing import Any

from me5.spec import ModelSpec, RawScores

WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
_NO_SPACE = "Instruct: {task}\nQuery:{text}"  # as harrier_models.py and qwen3_models.py of mteb write it


def _instructed(text: str) -> str:
    return _NO_SPACE.replace("{task}", text).replace("{text}", "")


_HARRIER: dict[str, Any] = {
    "pooling": "last",
    "max_tokens": 32_768,
    "instruct_template": _NO_SPACE,
    "default_instruction": WEB_SEARCH,
    "bitext_prefix": _instructed("Retrieve parallel sentences"),
    "sts_prefix": _instructed("Retrieve semantically similar text"),
    "licence": "MIT",
    "source": "mteb harrier_models.py: prompts, revision, sizes, licence; its prompts are stored under "
    "web_search_query, sts_query and bitext_query, and passages have none",
}
_GRANITE: dict[str, Any] = {
    "pooling": "cls",
    "max_tokens": 32_768,
    "licence": "Apache-2.0",
    "source": "mteb ibm_granite_models.py: revision, sizes, licence; arXiv:2605.13521 and the model card: "
    "200 languages, 52 of them trained for search, 32,768 tokens",
}

POPULAR = (
    ModelSpec(
        name="harrier-270m",
        model_id="microsoft/harrier-oss-v1-270m",
        revision="31de22b673913c7d658c0f03f792d77c2dcf8ebd",
        dimension=640,
        layers=18,
        parameters=268_065_920,
        raw=RawScores(retrieval=66.4, miracl=62.2, belebele=74.0, bitext=81.2, tatoeba=78.4, ntrex=92.5),
        note="Best at pairing translations of this table but for harrier-0.6b. Never computed in fp16.",
        **_HARRIER,
    ),
    ModelSpec(
        name="harrier-0.6b",
        model_id="microsoft/harrier-oss-v1-0.6b",
        revision="f9b9dc8d367d443f2479d27aa5d8d2850c0774ee",
        dimension=1024,
        layers=28,
        parameters=596_042_752,
        raw=RawScores(retrieval=70.8, miracl=66.4, belebele=77.4, bitext=82.6, tatoeba=79.5, ntrex=93.2),
        note="Highest retrieval and bitext means of this table; slow without a GPU.",
        **_HARRIER,
    ),
    ModelSpec(
        name="embeddinggemma-300m",
        model_id="google/embeddinggemma-300m",
        revision="64614b0b8b64f0c6c1e52b07e4e9a4e8fe4d2da2",
        dimension=768,
        dimensions=(512, 256, 128),
        layers=24,
        max_tokens=2048,
        query_prefix="task: search result | query: ",
        passage_prefix="title: none | text: ",
        title_template="title: {title} | text: ",
        bitext_prefix="task: search result | query: ",
        sts_prefix="task: sentence similarity | query: ",
        end_token="<eos>",
        licence="Gemma terms of use (gated)",
        parameters=307_581_696,
        raw=RawScores(retrieval=62.5, miracl=66.2, belebele=72.4, bitext=65.2, tatoeba=51.4, ntrex=73.9),
        note="Accept the terms on the hub first. Dense layers follow the pooling. Never computed in fp16.",
        source="mteb google_models.py: revision, sizes, licence; model card: prompts, dimensions, no fp16",
    ),
    ModelSpec(
        name="qwen3-0.6b",
        model_id="Qwen/Qwen3-Embedding-0.6B",
        revision="b22da495047858cce924d27d76261e96be6febc0",
        dimension=1024,
        min_dimension=32,
        layers=28,
        pooling="last",
        max_tokens=32_768,
        instruct_template=_NO_SPACE,
        default_instruction=WEB_SEARCH,
        sts_prefix=_instructed("Retrieve semantically similar text"),
        bitext_prefix=_instructed("Retrieve parallel sentences"),
        end_token="<|endoftext|>",
        licence="Apache-2.0",
        parameters=595_776_512,
        raw=RawScores(retrieval=64.6, miracl=61.2, belebele=68.7, bitext=73.0, tatoeba=58.1, ntrex=79.5),
        note="Pools the end token, which its tokenizer adds.",
        source="mteb qwen3_models.py: prompts, revision, sizes, licence; model card: dimensions, end token",
    ),
    ModelSpec(
        name="bge-m3",
        model_id="BAAI/bge-m3",
        revision="5617a9f61b028005a4858fdac845db406aefb181",
        dimension=1024,
        layers=24,
        pooling="cls",
        max_tokens=8192,
        licence="MIT",
        parameters=568_000_000,
        raw=RawScores(retrieval=54.6, miracl=69.6, belebele=78.2, bitext=79.5, tatoeba=73.7, ntrex=88.8),
        note="Best at MIRACL of this table. Its repository has pickled weights only, which are never loaded: "
        "save it once with transformers `save_pretrained` and give the folder.",
        source="mteb bge_models.py; revision as pinned by many public projects; no safetensors: "
        "stanford-oval/WikiChat#46",
    ),
    ModelSpec(
        name="arctic-l-v2",
        model_id="Snowflake/snowflake-arctic-embed-l-v2.0",
        revision="edc2df7b6c25794b340229ca082e7c78782e6374",
        dimension=1024,
        dimensions=(256,),
        layers=24,
        pooling="cls",
        max_tokens=8192,
        query_prefix="query: ",
        licence="Apache-2.0",
        parameters=568_000_000,
        raw=RawScores(retrieval=58.4, miracl=66.5, belebele=74.0, bitext=64.9, tatoeba=66.9, ntrex=77.4),
        source="mteb arctic_models.py: revision, sizes, licence; model card: prompt, 256 dimensions",
    ),
    ModelSpec(
        name="granite-97m",
        model_id="ibm-granite/granite-embedding-97m-multilingual-r2",
        revision="c61e626a6255c490879d0af885078b61929d51f6",
        dimension=384,
        layers=12,
        parameters=97_441_152,
        raw=RawScores(retrieval=60.3, miracl=56.1, belebele=52.9, bitext=45.7, tatoeba=38.8, ntrex=47.7),
        note="Good at code and long documents; mE5-small is better at MIRACL, Belebele and translations.",
        **_GRANITE,
    ),
    ModelSpec(
        name="granite-311m",
        model_id="ibm-granite/granite-embedding-311m-multilingual-r2",
        revision="dba7b0ee9d789f330fecfb85df57699f9e7d9c42",
        dimension=768,
        dimensions=(512, 384, 256, 128),
        layers=22,
        parameters=311_664_384,
        raw=RawScores(retrieval=65.2, miracl=59.8, belebele=66.5, bitext=59.1, tatoeba=55.7, ntrex=68.3),
        **_GRANITE,
    ),
    ModelSpec(
        name="gte-multilingual-base",
        model_id="alibaba-nlp-community/gte-multilingual-base",
        revision=None,
        dimension=768,
        min_dimension=128,
        layers=12,
        pooling="cls",
        max_tokens=8192,
        licence="Apache-2.0",
        parameters=305_368_320,
        raw=RawScores(retrieval=57.1, miracl=64.2, bitext=70.7, tatoeba=68.1, ntrex=85.4),
        note="The copy that transformers reads by itself; Alibaba-NLP/gte-multilingual-base needs code of "
        "its own, which is never run. No commit was found published, so none is pinned.",
        source="mteb gte_models.py: sizes, licence; transformers configuration_gte.py: repository; "
        "arXiv:2407.19669: dimensions",
    ),
    ModelSpec(
        name="potion-multilingual-128m",
        model_id="minishlab/potion-multilingual-128M",
        revision="73908c3438cf03b6a01bcb9611d62b23d0726f08",
        dimension=256,
        layers=0,
        licence="MIT",
        parameters=128_000_000,
        raw=RawScores(retrieval=37.9, miracl=18.6, belebele=42.5, bitext=42.2, tatoeba=32.6, ntrex=42.4),
        note="Static: the mean of one row a piece, read by the static engine.",
        source="mteb model2vec_models.py: sizes, licence; revision as pinned by many public projects; "
        "model2vec model.py: what is read",
    ),
    ModelSpec(
        name="static-similarity",
        model_id="sentence-transformers/static-similarity-mrl-multilingual-v1",
        revision="7264ea07c5365a11d7e6d87dbb6195889a13054f",
        dimension=1024,
        dimensions=(512, 256, 128, 64, 32),
        layers=0,
        normalize=False,
        max_tokens=1_000_000,
        licence="Apache-2.0",
        parameters=108_420_096,
        raw=RawScores(retrieval=41.2, miracl=18.8, belebele=37.8, bitext=53.0, tatoeba=50.2, ntrex=42.8),
        note="Static, made for comparing sentences, compared by cosine.",
        source="mteb sentence_transformers_models.py: revision, sizes, licence; model card: dimensions",
    ),
)
