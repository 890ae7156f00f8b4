"""Why a runtime does not execute a model file, as one sentence that says what to do."""

import re
from pathlib import Path

from latency.runtimes import Runtime
from proxyless.errors import flat, one_line

_UNKNOWN = "check that the file is a complete model, and one for this version"

_CAUSES: tuple[tuple[str, str | None, str], ...] = (
    (
        r"Unsupported model IR version: (\d+), max supported IR version: (\d+)",
        "it is of IR version {0}, and this version takes {1} at most",
        "write it with an older onnx (ir_version={1}), or update the runtime",
    ),
    (
        r"[Oo]pset (\d+) is under development.*?till opset (\d+)",
        "it is of opset {0}, and this version takes {1} at most",
        "export it with opset {1}, or update the runtime",
    ),
    (
        r"^MemoryError|bad_alloc|[Ff]ailed to allocate|the file has [\d.]+ GiB",
        None,
        "free some memory or take a smaller one",
    ),
    (
        r"[Ee]xternal (data|initializer)|external_data",
        None,
        "the weights, which are in a file beside it, are not all there: copy that file again",
    ),
    (
        r"indices element out of data bounds|index .{0,40}must be within|[Gg]ather index out of (bounds|range)",
        None,
        "its whole numbers are indices, and were fed with 0 and 1, for which it has no place: it cannot be timed with "
        "made-up inputs",
    ),
    (
        r"(\bFlex[A-Z]\w+|Select TensorFlow op|[Cc]ustom op|[Uu]nresolved custom|Encountered unresolved"
        r"|not a registered function|No Op registered|no schema registered|could not find an implementation)",
        None,
        "it needs operators that this runtime does not have: export it with the built-in ones",
    ),
)
"""What runtimes say, the sentence for it where theirs is not one, and what to do."""

_RESHAPED = r"[Rr]eshape|cannot be reshaped|[Gg]ot invalid dimensions|num_input_elements != num_output_elements"


def refusal(file: str, runtime: Runtime, error: str, batch: int) -> str:
    """What the device said of a file. batch: that was asked for."""
    text = flat(error).replace(file, "the file").replace(str(Path(file).resolve()), "the file")
    reason, advice = one_line(_reason(text)), _UNKNOWN
    if batch > 1 and re.search(_RESHAPED, text):
        advice = f"it has a fixed number of images inside and cannot take a batch of {batch}: leave --batch out"
    for pattern, words, what_to_do in _CAUSES:
        found = re.search(pattern, text)
        if found:
            reason, advice = words.format(*found.groups()) if words else reason, what_to_do.format(*found.groups())
            break
    return f"{file} cannot be executed by {runtime.name}: {reason}" + ("" if ";" in reason else f"; {advice}")


def _reason(text: str) -> str:
    """Without the class of the error, and without the lines of the runtime's own source."""
    text = re.sub(r"^\w+:(?: |$)(\[ONNXRuntimeError\] : \d+ : \w+ : )?", "", text)
    text = re.sub(r"/\S+\.(?:cc|h|cpp):\d+ (?:\S+::)?\S+\(.*?\) (?:\S+ was false\. )?", "", text)
    return text.rstrip(".") or "it ran out of memory"
