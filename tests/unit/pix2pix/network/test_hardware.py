"""What auto takes on a machine."""

from __future__ import annotations

import pytest

from pixd.pix2pix.network import hardware
from pixd.pix2pix.network.hardware import Device

# The ends of /proc/cpuinfo's flags, where the vector units stand; what is before is on all alike.
SAPPHIRE_RAPIDS_WITHOUT_AMX = """\
processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 207
model name\t: Intel(R) Xeon(R) Processor
flags\t\t: fpu vme de pse tsc msr pae mce cx8 sse2 ht syscall nx pdpe1gb rdtscp lm fma avx f16c \
avx2 avx512f avx512dq rdseed adx smap avx512ifma clflushopt clwb avx512cd sha_ni avx512bw avx512vl \
xsaveopt xsavec xgetbv1 xsaves avx_vnni avx512_bf16 arat avx512vbmi umip avx512_vbmi2 gfni vaes \
vpclmulqdq avx512_vnni avx512_bitalg avx512_vpopcntdq rdpid cldemote movdiri movdir64b fsrm \
serialize tsxldtrk avx512_fp16 arch_capabilities
bugs\t\t: spectre_v1 spectre_v2 spec_store_bypass swapgs

processor\t: 1
vendor_id\t: GenuineIntel
model name\t: another
flags\t\t: fpu
"""
SAPPHIRE_RAPIDS = SAPPHIRE_RAPIDS_WITHOUT_AMX.replace(
    "tsxldtrk avx512_fp16", "tsxldtrk amx_bf16 avx512_fp16 amx_tile amx_int8"
)
ZEN_4 = """\
vendor_id\t: AuthenticAMD
cpu family\t: 25
model name\t: AMD EPYC 9R14
flags\t\t: fpu vme de pse sse4_2 fma movbe popcnt aes avx f16c rdrand bmi1 avx2 avx512f avx512dq \
avx512ifma avx512cd sha_ni avx512bw avx512vl xsaveopt xsavec xgetbv1 xsaves avx512_bf16 clzero \
xsaveerptr rdpru wbnoinvd arat avx512vbmi avx512_vbmi2 gfni vaes vpclmulqdq avx512_vnni \
avx512_bitalg avx512_vpopcntdq rdpid flush_l1d
"""
ZEN_2 = """\
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC 7R32
flags\t\t: fpu vme de pse fma avx f16c avx2 smap clflushopt clwb sha_ni xsaveopt xsavec clzero
"""
GRAVITON_3 = "processor\t: 0\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd sha512 sve i8mm bf16 rng\n"


@pytest.mark.parametrize(
    ("cpuinfo", "takes"),
    [
        (SAPPHIRE_RAPIDS_WITHOUT_AMX, "float32"),  # measured slower in bfloat16
        (SAPPHIRE_RAPIDS, "bfloat16"),
        (ZEN_4, "bfloat16"),
        (ZEN_2, "float32"),
        (GRAVITON_3, "float32"),
        ("", "float32"),
    ],
)
def test_auto_on_a_processor_takes_bfloat16_only_where_it_is_faster(
    cpuinfo: str, takes: str
) -> None:
    processor = hardware.read_processor(cpuinfo)
    assert hardware.fastest_on_cpu(processor.vendor, processor.flags) == takes


def test_a_processor_is_named_with_what_it_has_for_bfloat16() -> None:
    names = [
        hardware.cpu_name(hardware.read_processor(cpuinfo))
        for cpuinfo in (SAPPHIRE_RAPIDS_WITHOUT_AMX, SAPPHIRE_RAPIDS, ZEN_2)
    ]
    assert names == [
        "Intel(R) Xeon(R) Processor (AVX512_BF16)",
        "Intel(R) Xeon(R) Processor (AMX_BF16, AVX512_BF16)",
        "AMD EPYC 7R32",
    ]


@pytest.mark.parametrize(
    ("capability", "takes"),
    [
        ((9, 0), "bfloat16"),
        ((8, 0), "bfloat16"),
        ((7, 5), "float16"),
        ((7, 0), "float16"),
        ((6, 1), "float32"),
        (None, "float32"),
    ],
)
def test_auto_on_a_gpu_takes_what_its_tensor_cores_take(
    capability: tuple[int, int] | None, takes: str
) -> None:
    assert hardware.fastest_on_gpu(capability) == takes


def test_a_precision_that_is_asked_for_is_taken_wherever_it_is() -> None:
    slow = Device("cpu", "a laptop's")
    assert hardware.choose_policy("auto", slow) == "float32"
    assert hardware.choose_policy("auto", Device("gpu", "T4", "float16")) == "mixed_float16"
    assert hardware.choose_policy("float16", slow) == "mixed_float16"
    assert hardware.choose_policy("bfloat16", slow) == "mixed_bfloat16"
    assert hardware.choose_policy("float32", Device("gpu", "A100", "bfloat16")) == "float32"
