"""What the account knows from birth: machine images by name, and its limits."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.images import IMAGES, PARAMETER_PREFIX
from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.network import code_of


def test_every_image_is_named_by_a_parameter_and_exists(clients: Boto3Clients) -> None:
    names = [image.parameter for image in IMAGES]
    assert f"{PARAMETER_PREFIX}x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id" in names
    answer = clients.client("ssm").get_parameters(Names=names)
    assert answer["InvalidParameters"] == []
    ids = {one["Name"]: one["Value"] for one in answer["Parameters"]}
    assert ids == {image.parameter: image.id for image in IMAGES}
    images = clients.client("ec2").describe_images(ImageIds=list(ids.values()))["Images"]
    assert {image["ImageId"]: image["Architecture"] for image in images} == {
        image.id: image.architecture for image in IMAGES
    }


def test_own_parameters_are_kept_beside_them(clients: Boto3Clients) -> None:
    ssm = clients.client("ssm")
    ssm.put_parameter(Name="/own", Value="mine", Type="SecureString")
    answer = ssm.get_parameters(Names=["/own", IMAGES[0].parameter, "/nobody"], WithDecryption=True)
    assert {one["Name"]: one["Value"] for one in answer["Parameters"]} == {
        "/own": "mine",
        IMAGES[0].parameter: IMAGES[0].id,
    }
    assert answer["InvalidParameters"] == ["/nobody"]
    assert ssm.get_parameter(Name="/own", WithDecryption=True)["Parameter"]["Value"] == "mine"
    ssm.delete_parameter(Name="/own")


def test_an_unknown_parameter(clients: Boto3Clients) -> None:
    name = f"{PARAMETER_PREFIX}x86_64/nobody/latest/ami-id"
    with pytest.raises(ClientError) as refusal:
        clients.client("ssm").get_parameter(Name=name)
    assert code_of(refusal.value) == "ParameterNotFound"


@pytest.mark.parametrize(("code", "vcpus"), [("L-417A185B", 768), ("L-DB2E81BA", 192), ("L-7212CCBC", 0)])
def test_quotas(clients: Boto3Clients, code: str, vcpus: int) -> None:
    quotas = clients.client("service-quotas")
    assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"] == vcpus
    assert code in {one["QuotaCode"] for one in quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]}


def test_other_quotas(clients: Boto3Clients) -> None:
    quotas = clients.client("service-quotas")
    assert quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-F678F1CE")["Quota"]["Value"] == 5
    with pytest.raises(ClientError) as refusal:
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")
    assert code_of(refusal.value) == "NoSuchResourceException"
