"""Where attempts run: the protocol in ``base``, one module or package for each backend."""
