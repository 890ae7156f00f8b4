"""Hardware-aware neural architecture search for mobile devices."""

__version__ = "0.1.0"
