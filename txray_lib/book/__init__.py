"""The book: notebooks executed, pages made of them, what students and hosts are given. May touch: errors, places, results, figures,
explorer, course, engine.

    notebooks  executes a text notebook with parameters
    kernels    begins a kernel as a copy of a process
    handouts   what a course hands out and what a teacher keeps
    files      what the site brings along
    extension  the Sphinx extension
    building   which pages there are, and what each follows from
"""
