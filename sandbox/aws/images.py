"""The machine images of the account: the Deep Learning AMIs that the public SSM parameters name."""

from __future__ import annotations

from dataclasses import dataclass

from moto.ec2.models import EC2Backend
from moto.ec2.models.amis import Ami

PARAMETER_PREFIX = "/aws/service/deeplearning/ami/"


@dataclass(frozen=True)
class Image:
    """A machine image. The ids are this account's own: AWS has another for every region and release."""

    id: str
    architecture: str
    flavour: str
    """The part of the parameter's path that names it."""
    name: str
    root_device: str

    @property
    def parameter(self) -> str:
        """Name of the public SSM parameter that holds its id."""
        return f"{PARAMETER_PREFIX}{self.architecture}/{self.flavour}/latest/ami-id"


_RELEASE = "20261112"
_FLAVOURS = (
    ("base-oss-nvidia-driver-gpu-ubuntu-22.04", "(Ubuntu 22.04)", "/dev/sda1"),
    ("base-oss-nvidia-driver-gpu-ubuntu-24.04", "(Ubuntu 24.04)", "/dev/sda1"),
    ("base-oss-nvidia-driver-gpu-amazon-linux-2023", "(Amazon Linux 2023)", "/dev/xvda"),
)

IMAGES = tuple(
    Image(
        id=f"ami-0d1a{number:013x}",
        architecture=architecture,
        flavour=flavour,
        name=f"Deep Learning {prefix}Base OSS Nvidia Driver GPU AMI {system} {_RELEASE}",
        root_device=root_device,
    )
    for number, (architecture, prefix, (flavour, system, root_device)) in enumerate(
        (architecture, prefix, flavour)
        for architecture, prefix in (("x86_64", ""), ("arm64", "ARM64 "))
        for flavour in _FLAVOURS
    )
)

IMAGE_BY_PARAMETER = {image.parameter: image for image in IMAGES}


def register(ec2: EC2Backend) -> None:
    """Make the images known to a region, so that DescribeImages shows them and RunInstances takes them."""
    for image in IMAGES:
        ec2.amis[image.id] = Ami(
            ec2,
            image.id,
            name=image.name,
            owner_id="898082745236",
            owner_alias="amazon",
            public=True,
            virtualization_type="hvm",
            architecture=image.architecture,
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name=image.root_device,
        )
