"""What a model is made of: any Hugging Face `config.json`, read into layers, caches and matrices."""

from planner.architecture.fields import ConfigError
from planner.architecture.read import read_architecture
from planner.architecture.records import DTYPE_BYTES, Architecture, Cache, Dtype, Quantization, Weight

__all__ = [
    "DTYPE_BYTES",
    "Architecture",
    "Cache",
    "ConfigError",
    "Dtype",
    "Quantization",
    "Weight",
    "read_architecture",
]
