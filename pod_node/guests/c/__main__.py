"""Print the folder of the C headers for pods.

python -m ziglang cc --target=wasm32-wasi -I "$(python -m pod_node.guests.c)" web.c -o web.wasm
"""

import sys

from pod_node.guests.c import INCLUDE

if __name__ == "__main__":
    sys.stdout.write(f"{INCLUDE}\n")
