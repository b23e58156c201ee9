"""Runs the targets of a catalog on workers beside their clouds, with Dask ``distributed``. The only room that imports it.

``assignment`` is what travels to a worker, ``task`` is what a worker does with it, ``carrier`` submits tasks and receives
their messages, ``servers`` are the processes of scheduler and workers, ``guard`` is what their connections may carry.
"""
