"""Cross-encoders: a query and a passage are read together and given one score.

Any sequence-classification model of ``transformers`` serves: with one logit, or with two, whose difference
(relevant minus not relevant) is the score. Scores are raw logits, not probabilities, as the student of
stage 2 needs them. Only safetensors are read, and no code from a model's folder is run.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from me5 import MODELS, ModelFormatError
from me5.batching import BatchPolicy, plan_batches
from me5.engines.engine import pad
from me5.engines.torch_engine import load_backbone
from me5.folders import FolderFacts, content_hash
from me5.loading import model_folder as encoder_folder
from me5.packed import TOKENIZER_FILE, is_packed, plain_config, tokenizer_file
from me5.runtime import RuntimeChoice, choose_runtime
from trainer.errors import TrainingError
from trainer.stages.reranker.pair_tokens import PairTokenization, PairTokens

logger = logging.getLogger(__name__)

WINDOW_PAIRS = 8_192
"""Pairs whose tokens are held at a time; wide enough to sort well, small enough for any input."""
CPU_POLICY, GPU_POLICY = BatchPolicy(4_096, 256), BatchPolicy(65_536, 2_048)
HUB_ID = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w.-]+))?")
HEAD_MODULES = {"classifier", "pre_classifier", "pooler", "head", "score", "logits_proj", "sequence_summary"}
TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json")
POSITIONS_START_AFTER_PAD = ("xlm-roberta", "roberta", "camembert")


class CrossEncoder:
    """Tokenizer and weights of a cross-encoder, in training or in use.

    Args:
        folder: where tokenizer settings are read from.
        body: a sequence-classification model with one or two labels.
        max_tokens: pairs are cut there; ``None`` takes the limit of the model, which is never passed.
        use_segments: tell query and passage apart by an embedding; ``None`` does as the folder's tokenizer.
    """

    def __init__(
        self,
        folder: Path,
        body: nn.Module,
        *,
        max_tokens: int | None = None,
        use_segments: bool | None = None,
    ) -> None:
        self.body = body
        self._folder = folder
        config: Any = body.config
        limit = _positions(config)
        stated = _read_json(folder / "tokenizer_config.json").get("model_max_length") or limit
        self.tokenization = PairTokenization(
            tokenizer_file(folder),
            max_tokens=int(min(limit, stated if max_tokens is None else max_tokens)),
            pad_id=int(config.pad_token_id or 0),
        )
        wants_segments = _names_segments(folder) if use_segments is None else use_segments
        self.uses_segments = wants_segments and has_segments(body)

    def tokenize(
        self, queries: Sequence[str], passages: Sequence[str], titles: Sequence[str] | None = None
    ) -> list[PairTokens]:
        """Tokens of each pair of query and passage."""
        return self.tokenization.encode(queries, passages, titles)

    def score(self, pairs: Sequence[PairTokens]) -> Tensor:
        """Scores [N] in float32 of tokenised pairs, read in one go; with a graph where gradients are on."""
        device = next(self.body.parameters()).device
        ids_NT, mask_NT = (
            torch.from_numpy(array).to(device)
            for array in pad([pair.ids for pair in pairs], self.tokenization.pad_id)
        )
        inputs = {"input_ids": ids_NT, "attention_mask": mask_NT}
        if self.uses_segments:
            segments_NT, _ = pad([pair.segments for pair in pairs], 0)
            inputs["token_type_ids"] = torch.from_numpy(segments_NT).to(device)
        logits_NL = self.body(**inputs).logits.float()
        return logits_NL[:, -1] if logits_NL.shape[1] == 1 else logits_NL[:, 1] - logits_NL[:, 0]

    def save(self, folder: Path) -> None:
        """Write a folder that transformers and sentence-transformers load."""
        folder.mkdir(parents=True, exist_ok=True)
        body: Any = self.body
        body.save_pretrained(folder)
        self.tokenization.save(folder / "tokenizer.json")
        for name in TOKENIZER_FILES:
            if (self._folder / name).is_file():
                shutil.copyfile(self._folder / name, folder / name)
        settings = _read_json(folder / "tokenizer_config.json") or {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": self.tokenization.token(self.tokenization.pad_id),
        }
        settings["model_max_length"] = self.tokenization.max_tokens
        settings["model_input_names"] = [
            "input_ids",
            *(["token_type_ids"] * self.uses_segments),
            "attention_mask",
        ]
        text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf8")


class Reranker:
    """A cross-encoder in use; see :func:`open_reranker`. ``contract`` names all that decides its scores."""

    def __init__(self, model: CrossEncoder, *, contract: str, runtime: RuntimeChoice) -> None:
        self.contract = contract
        self.max_tokens = model.tokenization.max_tokens
        self.runtime = runtime
        self._model = model
        self._policy = CPU_POLICY if runtime.device == "cpu" else GPU_POLICY

    def score(
        self,
        queries: Sequence[str],
        passages: Sequence[str],
        titles: Sequence[str] | None = None,
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Raw scores [N] of query i with passage i; higher is better.

        Args:
            queries: without prefix or instruction.
            passages: as many as queries.
            titles: one per passage, ``""`` for none.
            on_progress: called after every batch with the number of pairs done so far.

        Raises:
            TrainingError: a score is not finite.
        """
        scores_N = np.empty(len(queries), dtype=np.float32)
        done = 0
        for start in range(0, len(queries), WINDOW_PAIRS):
            window = slice(start, start + WINDOW_PAIRS)
            pairs = self._model.tokenize(
                queries[window], passages[window], None if titles is None else titles[window]
            )
            for batch in plan_batches([len(pair) for pair in pairs], self._policy):
                rows = [start + row for row in batch]
                scores_N[rows] = self._run([pairs[row] for row in batch])
                done += len(batch)
                if on_progress is not None:
                    on_progress(done)
        wrong = np.flatnonzero(~np.isfinite(scores_N))
        if len(wrong):
            raise TrainingError(
                f"The cross-encoder gives {scores_N[wrong[0]]} for the query {queries[wrong[0]][:60]!r} and "
                f"{len(wrong) - 1} other pairs. Expected finite scores. Its weights are damaged, or too "
                f"large for {self.runtime.precision}: take another model, or precision fp32."
            )
        return scores_N

    def _run(self, pairs: Sequence[PairTokens]) -> NDArray[np.float32]:
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.runtime.precision)
        rounded = torch.autocast(self.runtime.device, dtype=half) if half else nullcontext()
        with torch.inference_mode(), rounded:
            scores_N: NDArray[np.float32] = self._model.score(pairs).cpu().numpy()  # waits for the device
        return scores_N


def open_reranker(
    name: str, *, max_tokens: int | None = None, device: str = "auto", precision: str = "auto"
) -> Reranker:
    """Open a cross-encoder.

    Args:
        name: a folder, or a hub id with or without ``@revision``.
        max_tokens: of a pair; ``None`` takes the limit that the model states.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``; only fp32 is exact to 1e-5.

    Raises:
        UnknownModelError, HubUnreachableError: the name leads nowhere, or not without a network.
        ModelFormatError: the folder is damaged, or no cross-encoder.
        EngineError: the machine cannot run what was asked for.
    """
    folder = model_folder(name)
    body = load_classifier(folder)
    runtime = choose_runtime(_facts(body), engine="torch", device=device, precision=precision)
    model = CrossEncoder(folder, body.to(runtime.device), max_tokens=max_tokens)
    return Reranker(model, contract=_contract(folder, model, runtime), runtime=runtime)


def model_folder(name: str) -> Path:
    """The folder of a model: a local one, that of a registered model, or one fetched from the hub.

    Raises:
        UnknownModelError, HubUnreachableError: the name leads nowhere, or not without a network.
    """
    from me5.hub import fetch_model

    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    match = HUB_ID.fullmatch(name)
    if match is not None and name not in {spec.model_id for spec in MODELS.values()}:
        return fetch_model(match["id"], match["revision"])
    return encoder_folder(name)


def load_classifier(folder: Path, *, fresh_head_seed: int | None = None) -> nn.Module:
    """A sequence-classification model in float32 and evaluation mode.

    Args:
        folder: an ordinary transformers folder.
        fresh_head_seed: take an encoder too, and give it a head of one label with random weights.

    Raises:
        ModelFormatError: something is missing or damaged, or the model is no cross-encoder.
    """
    _require_files(folder)
    has_head = is_classifier(folder)
    if not has_head and fresh_head_seed is None:
        raise ModelFormatError(
            f"{folder} is an encoder without a classification head, so its scores would be random. Expected "
            "a cross-encoder. Train one from it with a recipe of `stage: reranker`, or name another model."
        )
    body, missing = _load(folder, labels=None if has_head else 1, seed=fresh_head_seed or 0)
    lost = [name for name in missing if has_head or not HEAD_MODULES.intersection(name.split("."))]
    if lost:
        raise ModelFormatError(
            f"The weights in {folder} lack {sorted(lost)[:3]}. Expected every tensor that config.json "
            "implies. Copy the folder from the original model again."
        )
    config: Any = body.config
    if config.num_labels not in (1, 2):
        raise ModelFormatError(
            f"{folder} is a classifier of {config.num_labels} labels. Expected a cross-encoder with one, or "
            "with two for not relevant and relevant. Take another model."
        )
    if getattr(config, "num_hidden_layers", 1) == 0:
        raise ModelFormatError(
            f"{folder} has no layers, so it cannot compare a query with a passage. Expected a transformer of "
            "one layer or more. Take another model."
        )
    return body.eval()


def has_segments(body: nn.Module) -> bool:
    """Whether the model tells query and passage apart by an embedding of their own."""
    config: Any = body.config
    takes = "token_type_ids" in inspect.signature(body.forward).parameters
    return takes and int(getattr(config, "type_vocab_size", 0) or 0) > 1


def is_classifier(folder: Path) -> bool:
    """Whether a model folder holds a sequence-classification model, and not an encoder."""
    architectures = _read_json(folder / "config.json").get("architectures") or [""]
    return str(architectures[0]).endswith("ForSequenceClassification")


def _load(folder: Path, *, labels: int | None, seed: int) -> tuple[nn.Module, list[str]]:
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForSequenceClassification
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if is_packed(_read_json(folder / "config.json")):
        return _load_packed(folder, labels=labels or 1, seed=seed), []
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if labels is not None:
            config.num_labels = labels
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            body, info = AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=config,
                output_loading_info=True,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelFormatError(
            f"The weights in {folder} cannot be loaded ({error}). Expected safetensors that fit config.json, "
            "of a kind that transformers knows as a classifier. Copy the original folder again."
        ) from error
    return body, list(info["missing_keys"])


def _load_packed(folder: Path, *, labels: int, seed: int) -> nn.Module:
    """A fresh head on the encoder that a packed folder stands for."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(**plain_config(folder))
    config.num_labels = labels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = BertForSequenceClassification(config)
    lost = body.bert.load_state_dict(load_backbone(folder).state_dict(), strict=False)
    assert {name.split(".")[0] for name in lost.missing_keys} <= HEAD_MODULES and not lost.unexpected_keys
    return body


def _require_files(folder: Path) -> None:
    for names in (("config.json",), ("tokenizer.json", TOKENIZER_FILE)):
        if not any((folder / name).is_file() for name in names):
            name = names[0]
            raise ModelFormatError(
                f"Model folder {folder} has no {name}. Expected config.json, tokenizer.json and safetensors "
                "weights. Save model and fast tokenizer there with transformers `save_pretrained`."
            )
    if not any(folder.glob("*.safetensors")):
        raise ModelFormatError(
            f"Model folder {folder} has no safetensors weights (pickled files are never loaded). Expected "
            "model.safetensors. Save the model again with transformers `save_pretrained`."
        )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise ModelFormatError(
            f"{path} is damaged ({error}). Expected JSON. Copy the file from the original model again."
        ) from error
    return values


def _names_segments(folder: Path) -> bool:
    """Whether transformers would give segments to this model, by the tokenizer's settings or its class."""
    import transformers

    if is_packed(_read_json(folder / "config.json")):
        return False  # it has no such settings, and the tokenizer of mE5 knows no segments
    settings = _read_json(folder / "tokenizer_config.json")
    kind = getattr(transformers, str(settings.get("tokenizer_class")), transformers.PreTrainedTokenizerFast)
    return "token_type_ids" in settings.get("model_input_names", kind.model_input_names)


def _positions(config: Any) -> int:
    """Longest input (XLM-R keeps the rows up to that of the padding token for itself)."""
    rows = int(getattr(config, "max_position_embeddings", 0) or 512)
    if rows < 0:  # relative positions have no limit
        return 512
    return (
        rows - int(config.pad_token_id or 0) - 1 if config.model_type in POSITIONS_START_AFTER_PAD else rows
    )


def _facts(body: nn.Module) -> FolderFacts:
    """What the choice of a runtime asks for."""
    config: Any = body.config
    return FolderFacts(
        model_type=config.model_type,
        hidden_size=config.hidden_size,
        layers=config.num_hidden_layers,
        pad_id=int(config.pad_token_id or 0),
        max_tokens=_positions(config),
        pooling="cls",
        normalize=False,
        dimension=1,
        steps=(),
        prompts={},
        name_hint="",
    )


def _contract(folder: Path, model: CrossEncoder, runtime: RuntimeChoice) -> str:
    facts = [content_hash(folder), model.tokenization.max_tokens, model.uses_segments, runtime.precision]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
