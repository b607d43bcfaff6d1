"""Charts that a few lines in a cell cannot make: frames in, chart out; the page says in words what each shows.

    theme       the colours that carry meaning, alt text, the renderer
    plane       distance against length, with the words of the neuron that is clicked (Fig. 4, 6, 8)
    lengths     the length of every neuron over stages (Fig. 2, 10)
    tag_shares  activation mass per tag beside the corpus (Fig. 3)
    epochs      perplexity and distances epoch by epoch
    detail      one neuron: its tags, its tokens, at several stages (Fig. 5, 7, 9)
    masses      how activation mass is spread over neurons (Fig. 11)
    idea        one neuron through the three uses of the method (Fig. 1)
    sentence    one sentence, by four methods
    recovered   what a study of planted encoders recovers
    explorer    every neuron of every comparison

May touch: errors, definitions, preferences, results, tags, transfer.
"""
