"""The command line: starts the product, shows it, checks it."""

import warnings

# A library says so at its import, on every machine without a desktop; Guanka keeps nothing in that folder.
warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
