"""The ledger closes loops: everyone in the chain has one owner and one next deadline until the chain lets them go."""
