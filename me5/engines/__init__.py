"""Engines turn batches of token ids into pooled vectors. One module per runtime, imported when chosen."""

from me5.engines.engine import Engine, EngineRequest
from me5.folders import STATIC


def build_engine(request: EngineRequest) -> Engine:
    """Open the model with the chosen engine."""
    if request.choice.engine == "static" and request.facts.model_type == STATIC:
        from me5.engines.lookup_engine import LookupEngine

        return LookupEngine(request)
    if request.choice.engine == "static":
        from me5.engines.static_engine import StaticEngine

        return StaticEngine(request)
    if request.choice.engine == "openvino":
        from me5.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(request)
    from me5.engines.torch_engine import TorchEngine

    return TorchEngine(request)
