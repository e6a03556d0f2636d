"""The mechanics that services share; it knows no service, no message and no noun of the glossary."""
