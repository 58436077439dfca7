"""The lab: the recorded loss, its derivatives and the recorded update rules, running in one page."""
