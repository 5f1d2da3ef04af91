"""The whole exchange in one thread, under simulated time: one seed is one run.

What runs is the program itself: `gateway.main` and `core.main`, threads and all, on a scheduler
that decides who goes on. Only what a process gets from outside is simulated: time, threads, the
store's network, sockets, the FIX engine, the clients.
"""
