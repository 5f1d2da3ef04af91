"""The session edge: the only listener on the public ports.

It decides every Logon on the client's bytes, checks every frame, and pumps. What messages mean
after the Logon it does not know; it holds no order and no sequence number.
"""
