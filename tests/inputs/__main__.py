"""Print the table; with words, only the cases whose name holds them."""

import sys

from inputs.table import main

sys.exit(main(" ".join(sys.argv[1:])))
