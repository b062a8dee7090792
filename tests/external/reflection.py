"""A stock gRPC client in another language, which knows of our services only what the node's reflection tells it; and
callers whom a node must not let in."""

import os
import subprocess
from pathlib import Path

from check import Checks
from federation import Federation

MEMBER = "police.th.example"
SERVICES = {
    "almenara.v1.CustodyService": {"Accesses", "Confirm", "Reports"},
    "almenara.v1.LogService": {"Cosign", "Fetch", "GetCheckpoint", "Replicate"},
    "almenara.v1.LookupService": {"Lookup"},
    "almenara.v1.PublishService": {"Publish"},
    "almenara.v1.RosterService": {"Get", "Submit"},
}


def check(checks: Checks, federation: Federation) -> None:
    checks.about("A stock gRPC client")
    # Refused handshakes are what is wanted here: no alarm about them.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        import grpc
        from google.protobuf.descriptor_pool import DescriptorPool
        from google.protobuf.message_factory import GetMessageClass
        from grpc_health.v1 import health_pb2, health_pb2_grpc
        from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
    except ImportError as error:
        checks.lacks(f"the Python module {error.name}")
        return
    if not checks.has("openssl"):
        return
    authority = federation.folder / "th/tls"
    target = f"127.0.0.1:{federation.ports['7443']}"

    def channel(folder: Path | None) -> grpc.Channel:
        """To the node of MEMBER, with the certificate in `folder`, or none."""
        trusted = read(authority / "authority.pem")
        if folder is None:
            return grpc.secure_channel(target, grpc.ssl_channel_credentials(trusted))
        own = read(folder / "key.pem"), read(folder / "cert.pem")
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(trusted, *own))

    def code(folder: Path | None) -> str:
        """How a health check ends for the bearer of the certificate in `folder`."""
        with channel(folder) as connection:
            try:
                health_pb2_grpc.HealthStub(connection).Check(health_pb2.HealthCheckRequest(), timeout=10)
            except grpc.RpcError as error:
                return error.code().name
        return "OK"

    federation.shell("almenarad --home th cert issue --role consumer --name grpc -o grpc")
    with channel(federation.folder / "grpc") as connection:
        database = ProtoReflectionDescriptorDatabase(connection)
        listed = set(database.get_services())
        checks.check("reflection lists every service", SERVICES.keys() <= listed, listed)
        pool = DescriptorPool(database)
        for name, expected in SERVICES.items():
            methods = {method.name for method in pool.FindServiceByName(name).methods}
            checks.check(f"reflection describes {name}", methods == expected, methods)
        method = pool.FindServiceByName("almenara.v1.LogService").FindMethodByName("GetCheckpoint")
        question, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        call = connection.unary_unary(
            "/almenara.v1.LogService/GetCheckpoint", question.SerializeToString, answer.FromString
        )
        note = call(question(origin=MEMBER), timeout=10).checkpoint.decode()
        brought = note.startswith(f"{MEMBER}/almenara\n")
        checks.check("a call made from the description alone brings a checkpoint", brought, note)

    checks.about("Callers whom a node must not let in")
    forge = Forge(federation)
    own = (authority / "authority.pem", authority / "authority.key")
    # The same forgery with nothing forged: if this one is let in, the others are kept out for what they claim.
    true = forge.leaf("true", own, "spiffe://police.th.example/consumer/true")
    checks.check("a certificate of the member's authority is let in", (found := code(true)) == "OK", found)
    other = forge.leaf("other", own, "spiffe://ngo.nl.example/consumer/other")
    checks.check("one of its authority that names another member is not", (found := code(other)) in KEPT_OUT, found)
    nobody = forge.leaf("nobody", forge.authority("nobodys"), "spiffe://police.th.example/consumer/nobody")
    checks.check("one of an authority on no roster is not", (found := code(nobody)) in KEPT_OUT, found)
    checks.check("a call without a certificate is not", (found := code(None)) in KEPT_OUT, found)


# The handshake fails, or the call does.
KEPT_OUT = {"UNAVAILABLE", "UNAUTHENTICATED"}


class Forge:
    """Certificates that `almenarad cert` would not make."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation

    def authority(self, name: str) -> tuple[Path, Path]:
        """A certificate authority: its certificate and its key."""
        folder = self.folder(name)
        self.openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
            "-subj", "/CN=police.th.example", "-addext", "basicConstraints=critical,CA:TRUE",
            "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"),
        )
        return folder / "cert.pem", folder / "key.pem"

    def leaf(self, name: str, authority: tuple[Path, Path], uri: str) -> Path:
        """A client's certificate for `uri`; its folder."""
        folder = self.folder(name)
        (folder / "extensions").write_text(
            f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            f"extendedKeyUsage=clientAuth\nsubjectAltName=URI:{uri}\n"
        )
        request, (certificate, key) = folder / "request.pem", authority
        self.openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-keyout", str(folder / "key.pem"), "-out", str(request),
        )
        self.openssl(
            "x509", "-req", "-in", str(request), "-CA", str(certificate), "-CAkey", str(key), "-days", "1",
            "-set_serial", "0x" + "17" * 16, "-extfile", str(folder / "extensions"), "-out", str(folder / "cert.pem"),
        )
        return folder

    def folder(self, name: str) -> Path:
        folder = self.federation.folder / "forged" / name
        folder.mkdir(parents=True)
        return folder

    def openssl(self, *words: str) -> None:
        done = self.federation.run(["openssl", *words])
        if done.returncode != 0:
            raise subprocess.CalledProcessError(done.returncode, "openssl", done.stderr)


def read(path: Path) -> bytes:
    return path.read_bytes()
