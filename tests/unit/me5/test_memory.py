import os
import subprocess
import sys

from me5.memory import give_back_memory

SETTLED = "import os, me5.memory; me5.memory.configure_allocator(); print(os.environ['THP_MEM_ALLOC_ENABLE'])"


def test_settling_leaves_what_the_environment_says():
    for said, kept in (({}, "1"), ({"THP_MEM_ALLOC_ENABLE": "0"}, "0")):
        plain = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
        done = subprocess.run(
            [sys.executable, "-c", SETTLED], env=plain | said, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == kept


def test_memory_can_be_given_back_at_any_time():
    give_back_memory()
