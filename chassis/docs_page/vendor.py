"""Copies Swagger UI from node_modules to where `/docs` loads it; `make setup` runs it after `npm ci`."""

from __future__ import annotations

import sys

from chassis.docs_page import VENDOR
from chassis.vendoring import copy_or_say

FILES = {
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
    "swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
    "swagger-ui-dist/LICENSE": "LICENSE",
    "swagger-ui-dist/NOTICE": "NOTICE",
}

if __name__ == "__main__":
    sys.exit(copy_or_say(FILES, VENDOR))
