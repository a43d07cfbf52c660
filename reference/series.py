"""Which series the pages take their figures from: a host, which names an archive, and a folder of sessions in it."""

from __future__ import annotations

#: Ten, six or five default sessions each; hosts whose names begin alike have boards of the same name.
HOSTS = (
    *("h100_0fc80ab7", "h100_c846fd5f", "h100_9c937667", "h100_99080df7"),
    *("h200_82042529", "h200_0bd52ec9", "h200_8576b782"),
)
#: The default sessions of every host.
DEFAULTS = {host: f"{host}/default" for host in HOSTS}

H100_DEFAULT = DEFAULTS["h100_99080df7"]
H200_DEFAULT = DEFAULTS["h200_8576b782"]
GENERATION = "h100_99080df7/generation"
CLASSIFICATION = "h100_24585bf4/classification"
SWEEP = "h100_84a62bae/sweep"
#: Three sessions of every precision, compiled.
COMPILED = "h100_4022dbcc/precisions"
#: Sessions of compiled forwards on other boards.
COMPILED_ELSEWHERE = ("h100_ab0873c7/compiled", "h100_9c937667/compiled")
#: The host where other options were tried beside the default ones.
OPTIONS = "h100_c846fd5f"
#: Sessions that measured FP32 twice.
AGAIN = ("h100_c846fd5f/fp32_again", "h100_77c3c025/fp32_again")

CPU_DEFAULT = "cpu_xeon/default"
CPU_PRECISIONS = "cpu_epyc/precisions"

#: One session of every precision, in a graph and compiled; and of four at batch 32.
PRECISIONS = "h100_80038955/precisions"
PRECISIONS_BATCH_32 = "h100_80038955/precisions_batch_32"
#: One session each.
CLASSIFICATION_BATCH_32 = "h100_cd4ffd1a/classification_batch_32"
CLASSIFICATION_COMPILED = "h100_aa145d3c/classification_compiled"
DECODE_64 = "h100_73b05a80/decode_64"
DECODE_COMPILED = "h100_477875cb/decode_compiled"
SWEEP_LENGTHS = "h100_477875cb/sweep_lengths"

#: A trained SmolLM2-135M and its twin with seeded weights, board by board in graphs; compiled, on two boards of one
#: host at the same time; and compiled on one board, where what follows changed a limit and the code of BF16 autocast.
TRAINED_BOARDS = ("h200_f11f7369", "h200_dba284af", "h200_c69f2121")
TRAINED_COMPILED, SEEDED_COMPILED = "h200_f0568750/trained_compiled", "h200_8bd91d53/seeded_compiled"
COMPILED_PAIR = ("h200_07ee66d0/trained_compiled", "h200_07ee66d0/seeded_compiled")

#: Where other tools were run between sessions of this suite; and what they print without an energy meter.
SIDE_BY_SIDE = "h100_7cf43176"
WITHOUT_METER = "cpu_unrecorded/other_tools/without_meter.txt"
COLD_BOARD = "h100_99080df7/cold_board.md"
