"""Encoders, and how they come to be: pretraining (§3.1) and supervised fine-tuning (§3.3). May touch: corpora."""
