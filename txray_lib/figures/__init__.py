"""Charts that a few lines in a cell cannot make: frames in, chart out; the page says in words what each shows.

    theme     the colours and marks that carry meaning, alt text, the renderer
    plane     distance against length, with the words of the neuron that is clicked (Fig. 4, 6, 8)
    lengths   the length of every neuron over stages (Fig. 2, 10)
    detail    one neuron: its tags, its tokens, at several stages (Fig. 5, 7, 9)

May touch: errors, preferences.
"""
