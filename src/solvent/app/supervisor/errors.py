"""What can stop the engines from starting, said so that a person knows what to do next?"""


class SupervisorError(Exception):
    """The engines could not be started."""

    code = "supervisor.failed"


class EngineMissing(SupervisorError):
    """No usable engine binary was found."""

    code = "supervisor.engine_missing"


class EngineFailed(SupervisorError):
    """An engine did not start."""

    code = "supervisor.engine_failed"


class DataInUse(SupervisorError):
    """Another supervisor already runs on this data directory."""

    code = "supervisor.data_in_use"


class DataRefused(SupervisorError):
    """The data directory cannot be used as it is."""

    code = "supervisor.data_refused"


class SettingInvalid(SupervisorError):
    """A setting of the engines is not valid."""

    code = "supervisor.setting_invalid"
