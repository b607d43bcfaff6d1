"""What the neurons of a text encoder prefer, and how training changes it."""

__version__ = "0.1.0"
