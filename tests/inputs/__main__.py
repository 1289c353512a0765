"""Print the table; with words, only the cases whose name holds them."""

import os
import sys

os.environ["TQDM_DISABLE"] = "1"  # before anything imports it: bars show the time
from inputs.table import main  # noqa: E402

sys.exit(main(" ".join(sys.argv[1:])))
