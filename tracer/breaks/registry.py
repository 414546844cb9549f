"""Which of torch's own break numbers (`GB…`) mean the same as an entry here.

    ids_of("GB0124")                        # ("tensor-to-python-number",)
    numbers_of("tensor-to-python-number")   # ("GB0124", …)

A number may stand for several entries; the likeliest comes first. Numbers that are about torch's inner workings only
are left out. Texts name it as a link ends: …/gb/gb0124.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ids_of", "numbers_of"]

#: id → numbers. Rows in the order in which a number shared by two entries prefers them.
_NUMBERS = {
    "data-dependent-branch": "0170 0035 0002 0360",
    "assert-on-tensor": "0170 0034 0171",
    "tensor-to-python-number": "0124 0048 0018 0038 0070 0109 0218 3775 5904 7286 7596 2922",
    "tensor-to-text": "0569 0184",
    "python-loop-over-values": "0033",
    "data-dependent-shape": "0036 0246",
    "opaque-call": "0007 0147 0177 0808",
    "seed-inside": "0007 7650",
    "unsupported-builtin": """0059 0005 0008 0009 0114 0115 0117 0132 0133 0134 0151 0152 0154 0155 0156 0167 0168 0174
        0175 0183 0192 0213 0262 0270 0290 0292 0299 2483 6025 7230 7906 9198""",
    "print-tensor": "0059 0291 0296",
    "print-call": "0059 0291 0296",
    "numpy-unsupported": "0294 0105 0106 0157 0158 0159 0185 0231 0232 0250 0293 0298 0300",
    "user-requested-break": "0025 0030 0275 0284 4636",
    "backward-inside": "0123 0008 0025 0442 1042 1140 1381 1724 4927 5748 6663 7054 7299 9186 0371 0372 0373",
    "optimizer-step-inside": "0358",
    "disabled-function": "0098 0099 0269 4297",
    "break-inside-try": "0065 0124",
    "outside-state-write": "0467 0004 0058 0084 0095 0097 0131 0135 0169 0254 0271 3241 3697 4271",
    "generator-from-outside": "4347 0003 0118 0160 0253",
    "opaque-context": "0142 4347 0066 0221 0263 0274 0370 0212",
    "context-unsupported": "0046 0209 0230 0279 0262",
    "unsupported-generator": "0120 2549 8335 2533",
    "unknown-iterator": "0811 1752",
    "unsupported-opcode": "0082 0079 0020 0021 0024 0061 0062 0063 0077 0200 6604 6276 9898 2669 5696 7425",
    "exception-escapes": "0088 0089 0010 0011 0012 0028 0050 0051 0057 0076 0091 0111 0196 0354",
    "import-inside": "0022 0069",
    "exec-or-eval": "9625",
    "class-definition-inside": "0075 8977 0363",
    "metaclass-or-custom-new": "2404 5458 3383 0054",
    "descriptor-unsupported": "0031 0032 0121 0188 0211 0256 0261 9277 9567 9672",
    "unsupported-attribute": "0104 0136 0137 0150 0163 0164 0217 0287 5976 6270 6999 9522",
    "module-uninitialised": "0119",
    "rnn-module": "0014",
    "sparse-tensor": "0015 0129 0130 0277 0374 1501",
    "nested-tensor-strided": "0016 0044 0233 0245",
    "tensor-subclass-unsupported": "0000 0001 0026 0103 0227",
    "storage-changed": "0126 0127 0128 0056 0220 4197",
    "grad-write": "0125 0206 0181 0225 7324 8985 0108",
    "tensor-hook": "0013 0029 0083 0100 0101 7444",
    "out-argument": "0240 0241 0242 0247",
    "fake-op-failed": "0037 0064 0080 0087 0090 0112 4315 0043 3840",
    "script-function": "0265 0266 0267 0357 4695 2977",
    "set-of-tensors": "0222",
    "tensor-hash": "0141 0176 0191 0027 9316 4501",
    "user-hash-or-eq": "0364 0365 0366 0367 0871 0682 2861 4608 4749 1220",
    "self-referential-container": "0197 1297",
    "weakref-call": "0272 0276 0283",
    "mutated-while-iterating": "0198",
    "cannot-rebuild": "0092 0093 0199 1319 3343 4778 7502 9528",
    "unsupported-type": "0116 0122 0161 0180 0194 0289 0362 2078 4841 7685 8656",
    "autograd-function-unsupported": """0019 0085 0138 0139 0140 0144 0145 0346 0347 0348 0352 2019 2464 4372 6297
""",
    "cond-branch-rejected": "0067 0040 0041 0072 4413 1177",
    "cond-branches-differ": "0313 0340 0350",
    "higher-order-unsupported": """0017 0042 0068 0073 0074 0102 0149 0301 0302 0303 0304 0306 0307 0308 0309 0310 0311
        0312 0314 0315 0316 0317 0318 0319 0320 0321 0322 0323 0324 0325 0326 0341 0342 0343 0351 0355""",
    "distributed-unsupported": "0172 1750 2696 9300 9860",
    "triton-unsupported": "0216 0361 4026 6735",
    "symbolic-number-escape": "0214 0224",
    "recompile-limit": "0039",
    "changing-python-number": "0039",
    "backend-failed": "0219",
    "internal-fault": "0052 0205",
    "too-long": "0339",
}
#: Those that came after torch 2.13, by the same ids.
_NEWER = {
    "data-dependent-shape": "9352 9211",
    "opaque-call": "9193",
    "unsupported-builtin": "2736 0998 8587 5282 7020 7905 9192 6066 4399 5687 1583 9890 3837 5460 1350 0507 3003",
    "disabled-function": "0376 0377",
    "outside-state-write": "8949 6815 1392 1940",
    "opaque-context": "6956 2710",
    "context-unsupported": "2473 4996",
    "unsupported-generator": "7151",
    "unsupported-opcode": "2444 2069",
    "descriptor-unsupported": "7168 9368 6404 1472",
    "unsupported-attribute": "2412 9899 6441 1273 9118",
    "tensor-subclass-unsupported": "1576",
    "storage-changed": "5491 6602 9182",
    "tensor-hook": "5821",
    "fake-op-failed": "3069",
    "unsupported-type": "9493 4234 5017 4818 3780 1157 1618 1354",
    "autograd-function-unsupported": "8982 9958",
    "cond-branches-differ": "9203",
    "higher-order-unsupported": "4774 1075 6183 8593 7072 7694 9760 8165 9509 8206 5884 4307 1824 7935",
}


def _by_number() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for table in (_NUMBERS, _NEWER):
        for id, numbers in table.items():
            for number in numbers.split():
                found[number] = (*found.get(number, ()), id)
    return MappingProxyType(found)


_IDS = _by_number()


def numbers_of(id: str) -> tuple[str, ...]:
    """torch 2.13's numbers for an entry, the closest first; () where it has none."""
    return tuple("GB" + number for number in _NUMBERS.get(id, "").split())


def ids_of(number: str) -> tuple[str, ...]:
    """The entries that a number (`GB0124`, in any case) stands for, the likeliest first; () for numbers left out."""
    return _IDS.get(number.upper().removeprefix("GB"), ())
