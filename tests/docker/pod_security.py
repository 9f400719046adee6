"""What Kubernetes' restricted Pod Security Standard forbids."""

from typing import Any


def breaches(pod: dict[str, Any]) -> list[str]:
    """Returns what a pod does that the restricted Pod Security Standard (v1.37) forbids."""
    spec, found = pod["spec"], []
    of_pod = spec.get("securityContext", {})
    found += [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    allowed = {
        *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image"),
        *("persistentVolumeClaim", "projected", "secret"),
    }
    found += [it["name"] for it in spec.get("volumes", ()) if it.keys() - allowed - {"name"}]
    for container in spec["containers"] + spec.get("initContainers", []):
        rights = container.get("securityContext", {})
        either = {**of_pod, **rights}
        capabilities = rights.get("capabilities", {})
        checks = {
            "allowPrivilegeEscalation": rights.get("allowPrivilegeEscalation") is False,
            "privileged": not rights.get("privileged"),
            "drop": "ALL" in capabilities.get("drop", ()),
            "add": set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"},
            "runAsNonRoot": either.get("runAsNonRoot") is True,
            "runAsUser": either.get("runAsUser") != 0,
            "seccompProfile": either.get("seccompProfile", {}).get("type")
            in ("RuntimeDefault", "Localhost"),
            "ports": not any(port.get("hostPort") for port in container.get("ports", ())),
            "procMount": rights.get("procMount", "Default") == "Default",
        }
        found += [f"{container['name']}: {name}" for name, kept in checks.items() if not kept]
    return found
