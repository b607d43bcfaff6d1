"""A function for each step of a run: it reads files of earlier steps, calls the rooms, writes files.

    plan       the steps of a profile: what each reads and makes, and the settings that it is given
    declared   what a step of the plan is; beside: the steps that stand beside the paper's own
    task       what a step is given, and how its files get their place
    texts      corpora, tags, vocabulary
    models     pretrain, finetune
    collected  collect, and with several shards collect-…-shard-K
    compared   preferences, transfer, prune
    switched   recollect, definitions
    controls   finetune-shuffled-K, finetune-seed-K, pretrain-constant
    controlled collect-control-…, controls, probe
    nulled     nulls
    truth      truth-words; truth-seed-K of a study of what is known
    sentence   sentence
    gathered   tables

May touch: every room of the computing half, and tagging when a corpus is tagged.
"""
