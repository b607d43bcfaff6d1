"""What teaches the method: checks of students' answers, and which cells of a notebook a student sees.

    checked     what a check says: not answered, right, or what kind of mistake it is, without the answer
    reading     an answer as a number, a series, a table; what is none of these is told, never a traceback
    mistakes    the usual ways to get a distribution, a distance, states or a p wrong, each with its hint
    designs     menus from which answers in words are put together
    lab         the checks of the lab, on a run's tables
    assignment  the checks of the assignment, on records and activations
    stripping   the student's and the teacher's version of a notebook

May touch: errors, preferences, transfer, results. Needs no torch: encoders reach it as activations.
"""

from txray_lib.course.assignment import AssignmentChecks
from txray_lib.course.checked import Checked
from txray_lib.course.designs import menu
from txray_lib.course.lab import LabChecks

__all__ = ["AssignmentChecks", "Checked", "LabChecks", "menu"]
