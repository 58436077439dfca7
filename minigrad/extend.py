"""The internals of minigrad that `models`, `optim` and ops of your own may build on.

`minigrad` itself exports what users need. This module is for code that makes ops, walks the graph, records a
run, or asks a compiled function for derivatives. Names that are not listed here may change without notice.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from minigrad.calls import as_written as as_written
from minigrad.errors import as_sentence as as_sentence
from minigrad.errors import entry as entry
from minigrad.errors import hide_our_frames as hide_our_frames
from minigrad.errors import unexpected as unexpected
from minigrad.families import bilinear as bilinear
from minigrad.families import constant_op as constant_op
from minigrad.families import elementwise as elementwise
from minigrad.families import linear_op as linear_op
from minigrad.families import register as register
from minigrad.files import require_folder as require_folder
from minigrad.files import require_writable as require_writable
from minigrad.files import write_whole as write_whole
from minigrad.gauss_newton import GaussNewton as GaussNewton
from minigrad.habits import instead as instead
from minigrad.habits import table as table
from minigrad.handed_out import move_on as move_on
from minigrad.hints import Hint as Hint
from minigrad.hints import add_hints as add_hints
from minigrad.hints import listed as listed
from minigrad.hints import missing as missing
from minigrad.hints import visible as visible
from minigrad.leaving import numeric as numeric
from minigrad.leaving import require_plain as require_plain
from minigrad.leaving import touch as touch
from minigrad.mode import Mode as Mode
from minigrad.mode import current as current
from minigrad.mode import scope as scope
from minigrad.mode import switch as switch
from minigrad.ops.elementwise import in_floats as in_floats
from minigrad.ops.elementwise import square as square
from minigrad.ops.elementwise import tanh as tanh
from minigrad.ops.fused import cross_entropy_op as cross_entropy_op
from minigrad.ops.fused import logistic_op as logistic_op
from minigrad.ops.fused import mse_op as mse_op
from minigrad.ops.fused import places_op as places_op
from minigrad.packing import Packing as Packing
from minigrad.packing import portion as portion
from minigrad.packing import portions as portions
from minigrad.plots import COLOURS as COLOURS
from minigrad.plots import axes as axes
from minigrad.plots import is_dark as is_dark
from minigrad.plots import look as look
from minigrad.plots import palette as palette
from minigrad.products import scale as scale
from minigrad.products import select as select
from minigrad.replay.closures import CurvaturePoint as CurvaturePoint
from minigrad.replay.closures import CurvatureRequest as CurvatureRequest
from minigrad.replay.closures import GradientRequest as GradientRequest
from minigrad.replay.closures import recorded_curvature as recorded_curvature
from minigrad.replay.closures import recorded_function as recorded_function
from minigrad.replay.closures import recorded_gradient as recorded_gradient
from minigrad.replay.compiled import Bound as Bound
from minigrad.replay.compiled import Compiled as Compiled
from minigrad.replay.lines import Variable as Variable
from minigrad.replay.memory import aligned as aligned
from minigrad.replay.passes import simplified as simplified
from minigrad.replay.printing import printed as printed
from minigrad.replay.stages import put_in_stages as put_in_stages
from minigrad.replay.update_program import UpdateProgram as UpdateProgram
from minigrad.replay.update_program import recorded_rule as recorded_rule
from minigrad.replay.update_program import rule_lines as rule_lines
from minigrad.replay.watched import LABELLED as LABELLED
from minigrad.replay.watched import Label as Label
from minigrad.replay.watched import Watched as Watched
from minigrad.slices import between as between
from minigrad.sweeps import pull_back as pull_back
from minigrad.tables import html_curves as html_curves
from minigrad.tables import html_table as html_table
from minigrad.tables import html_title as html_title
from minigrad.tables import progress_bar as progress_bar
from minigrad.tables import symbol as symbol
from minigrad.tensor import RULES as RULES
from minigrad.tensor import ForEach as ForEach
from minigrad.tensor import Op as Op
from minigrad.tensor import apply as apply
from minigrad.tensor import constant_tensor as constant_tensor
from minigrad.tensor import data_of as data_of
from minigrad.tensor import is_live as is_live
from minigrad.tensor import traced_if_capturing as traced_if_capturing
from minigrad.trees import flatten as flatten
from minigrad.trees import leaves_like as leaves_like
from minigrad.trees import tree_map as tree_map

if _TYPE_CHECKING:
    from minigrad.drawing.drawing import Drawing as Drawing
    from minigrad.drawing.write.page import LIGHT as LIGHT
    from minigrad.drawing.write.page import PAGE as PAGE
    from minigrad.drawing.write.page import colours as colours
    from minigrad.drawing.write.page import data_text as data_text
    from minigrad.drawing.write.page import framed as framed
    from minigrad.drawing.write.page import policy as policy
    from minigrad.loops.fusing import fused as fused
    from minigrad.loops.javascript import LOOPS as LOOPS
    from minigrad.loops.javascript import Function as Function
    from minigrad.loops.javascript import script as script
    from minigrad.loops.javascript import values as values
    from minigrad.loops.lowering import Lowering as Lowering
    from minigrad.loops.meaning import expanded as expanded
    from minigrad.loops.nests import Nest as Nest
    from minigrad.loops.nests import fresh as fresh


# What pages and printed loops are made of, by the file that has it; loaded when it is first used, because it
# brings all of drawing with it.
_LATE = {
    "drawing.drawing": ("Drawing",),
    "drawing.write.page": ("LIGHT", "PAGE", "colours", "data_text", "framed", "policy"),
    "loops.fusing": ("fused",),
    "loops.javascript": ("LOOPS", "Function", "script", "values"),
    "loops.lowering": ("Lowering",),
    "loops.meaning": ("expanded",),
    "loops.nests": ("Nest", "fresh"),
}


def __getattr__(name: str) -> _Any:
    from importlib import import_module

    for file, names in _LATE.items():
        if name in names:
            return getattr(import_module(f"minigrad.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
