"""What the check by the TPU's compiler makes of the compiler's words; `make tpu-check` asks the compiler itself."""

import pytest

from benchmarks.tpu_check import (
    HEADER,
    Collectives,
    Compiled,
    Program,
    Topology,
    bytes_of,
    collectives,
    refusal,
    row_of,
)

HLO = """
%add (x: f32[], y: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%x, %y), metadata={op_name="all-reduce(of nothing)"}
}
ENTRY %main {
  %all-reduce.3 = f32[256,50]{1,0:T(8,128)} all-reduce(%p), channel_id=1, to_apply=%add
  %all-reduce.4 = (f32[2,3]{1,0}, s32[]{:T(128)}) all-reduce(%p, %q), channel_id=2, to_apply=%add
  %g = (bf16[8]{0}, bf16[32]{0:T(1024)}) all-gather-start(%p), channel_id=3, dimensions={0}
  %h = bf16[32]{0} all-gather-done(%g)
  %c = (f32[10]{0}, f32[10]{0}, u32[], u32[]) collective-permute-start(%p), source_target_pairs={{0,1}}
  ROOT %t = f32[256,50]{1,0} add(%all-reduce.3, %all-reduce.3)
}
"""


def test_collectives_are_counted_with_the_bytes_that_they_give():
    assert collectives(HLO) == {
        "all-reduce": Collectives(2, 4 * 256 * 50 + 4 * 2 * 3 + 4),
        "all-gather": Collectives(1, 2 * 32),
        "collective-permute": Collectives(1, 4 * 10),
    }


def test_a_program_of_one_chip_has_none():
    assert collectives("ENTRY %main {\n  ROOT %t = f32[2]{0} add(%a, %b)\n}") == {}


@pytest.mark.parametrize(
    "shape, sizes",
    [("f32[]", [4]), ("pred[3,5]{1,0:T(8,128)(4,1)}", [15]), ("(f32[2], bf16[3]{0})", [8, 6]), ("token[]", [0])],
)
def test_bytes_are_those_of_the_arrays_in_a_type(shape, sizes):
    assert bytes_of(shape) == sizes


def test_a_refusal_is_the_sentence_about_memory():
    said = "RESOURCE_EXHAUSTED: Ran out of memory on HBM, 29.80G exceeds available HBM (15.75G).\n\nLargest: 16G"
    assert refusal(said) == "Ran out of memory on HBM, 29.80G exceeds available HBM (15.75G)."
    assert refusal("RESOURCE_EXHAUSTED: something else\nmore") == "RESOURCE_EXHAUSTED: something else"


def test_a_row_says_how_much_of_a_chip_is_taken():
    found = Compiled(
        seconds=2.4,
        arguments=2**30,
        output=100,
        temporary=2**29,
        peak=3 * 2**29,
        flops=3e9,
        moved=5e6,
        collectives={"all-reduce": Collectives(2, 2**20)},
    )
    row = row_of(Topology("v5e:2x2", "data:4"), Program("step", None, (), None), found)
    memory = ("1,024.0 MiB", "100 B", "512.0 MiB", "1,536.0 MiB", "9.4%")
    assert row == ("v5e:2x2", "data:4", "step", "2 s", *memory, "3.00", "5", "2 all-reduce, 1.0 MiB")
    assert len(row) == len(HEADER)
