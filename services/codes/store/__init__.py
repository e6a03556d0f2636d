"""The tables of codes, each group behind the Protocol of its name in `use_cases/ports.py`."""
