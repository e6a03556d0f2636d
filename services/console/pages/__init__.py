"""The pages that people look at: rendered with the figures of the moment, kept moving by the modules in `static/`."""
