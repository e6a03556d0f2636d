"""Facts that must be equal in all services: documents and areas. A leaf, which imports only `chassis.pseudonym`."""
