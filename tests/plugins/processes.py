"""What the tests ask about other processes."""

import psutil


def ended(pid: int) -> bool:
    """Tells whether a process that is not a child of this one has ended, or does so in a moment."""
    try:
        process = psutil.Process(pid)
        process.wait(timeout=10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        # Where nobody collects orphans, the dead stay in the list.
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True
