"""`vllm_sim`: an imitation of vLLM's API server. It holds no model and computes nothing.

It answers with vLLM's routes, fields, errors, stream format and metric names, as recorded from a real vLLM 0.32.0, at
token rates given on the command line; the text is made up. Run it with `python -m sandbox.vllm_sim --help`. Every
response carries the header `x-served-by: vllm_sim`.

What it leaves out, so that nobody relies on it: prefix caching (no hits are ever counted), beam search, `echo`, tool
calls, structured output, several input modalities, prompt log-probabilities, LoRA. Requests for the parts that a client
would notice are refused with an error; sampling parameters other than `seed`, `n`, `stop`, `max_tokens`, `min_tokens`
and `ignore_eos` are checked and then have no effect.
"""

NAME = "vllm_sim"

IMITATED_VERSION = "0.32.0"
"""The version of vLLM whose recorded outputs the imitation is compared with; answered by `/version`."""
