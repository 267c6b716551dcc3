"""The demo house: an HTTPS stand-in for the Tuya Cloud and the houses behind it.

Belongs here: everything that pretends, and says so (simulated houses, recorded series, the
server that speaks like the cloud, faults on demand). Does not belong here: anything that the
pipeline needs to read a real house; nothing outside this package knows that it is not Tuya.
"""
