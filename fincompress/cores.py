"""The name under which versions registered before `machine/cpu.py` import `usable_cores`.

A registered version carries its own copy of the package, and uses it in a process of its own. In a
process that has imported this package already, it gets this one, and finds the name here.
"""

from fincompress.machine.cpu import usable_cores

__all__ = ["usable_cores"]
