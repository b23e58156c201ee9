"""Files with secrets, as on runners and in home folders, with made-up secrets. Pure."""

import random
import string
from typing import Final


def _random_text(seed: int, length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """The same text in each run; it is not a real secret."""
    source = random.Random(seed)
    return "".join(source.choice(alphabet) for _ in range(length))


BASE64: Final = string.ascii_letters + string.digits + "+/"
URLSAFE: Final = string.ascii_letters + string.digits + "-_"
HEX: Final = "0123456789abcdef"
_LINES: Final = [_random_text(number, 70, BASE64) for number in range(6)]
_BLOCK: Final = "\n".join(_LINES)

TOKENS: Final[dict[str, str]] = {
    "GitHub": f"ghp_{_random_text(10, 36)}",
    "GitHub, fine-grained": f"github_pat_{_random_text(11, 22)}_{_random_text(12, 59)}",
    "GitLab": f"glpat-{_random_text(13, 20, URLSAFE)}",
    "Slack": f"xoxb-{_random_text(14, 12, string.digits)}-{_random_text(15, 24)}",
    "AWS key": f"AKIA{_random_text(16, 16, string.ascii_uppercase + '234567')}",
    "AWS secret": _random_text(17, 40, BASE64),
    "Keystone": f"gAAAAAB{_random_text(18, 176, URLSAFE)}",
    "Keystone, old": _random_text(19, 32, HEX),
    "Vault": f"hvs.{_random_text(20, 24)}",
    "npm": f"npm_{_random_text(21, 36)}",
    "PyPI": f"pypi-AgEIcHlwaS5vcmc{_random_text(22, 120, URLSAFE)}",
    "Docker": f"dckr_pat_{_random_text(23, 27, URLSAFE)}",
    "JWT": f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIx{_random_text(24, 40)}.{_random_text(25, 86, URLSAFE)}",
    "a model's API": f"sk-proj-{_random_text(26, 48)}",
    "hexadecimal": _random_text(27, 40, HEX),
    "base64": _random_text(28, 44, BASE64),
    "base64 with =": _random_text(29, 42, BASE64) + "==",
    "letters and digits": _random_text(30, 24),
    "crypt": f"$6${_random_text(31, 8)}${_random_text(32, 86)}",
    "htpasswd": f"$apr1${_random_text(33, 8)}${_random_text(34, 22)}",
    "bcrypt": f"$2y$05${_random_text(35, 53)}",
}
"""Tokens by the service that they are for."""
PASSWORD: Final = "correct-Horse7battery"
"""A password that a person chose: only the text before it shows that it is one."""
FILES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "OpenSSH key": (
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_BLOCK}\n-----END OPENSSH PRIVATE KEY-----\n",
        tuple(_LINES),
    ),
    "RSA key": (f"-----BEGIN RSA PRIVATE KEY-----\n{_BLOCK}\n-----END RSA PRIVATE KEY-----\n", tuple(_LINES)),
    "encrypted key": (
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{_random_text(40, 32, HEX)}\n\n{_BLOCK}\n",
        tuple(_LINES),
    ),
    "bare lines of a key": (_BLOCK, tuple(_LINES)),
    ".netrc": (f"machine h.example login me password {PASSWORD}\ndefault login x password {PASSWORD}\n", (PASSWORD,)),
    ".netrc in lines": (f"machine h.example\n  login me\n  password {PASSWORD}\n", (PASSWORD,)),
    ".env": (f"export DB_PASSWORD={PASSWORD}\nAPI_TOKEN='{TOKENS['GitHub']}'\n", (PASSWORD, TOKENS["GitHub"])),
    ".env with colons": (f"DB_PASSWORD: {PASSWORD}\nKEY: {TOKENS['Vault']}\n", (PASSWORD, TOKENS["Vault"])),
    "AWS credentials": (
        f"[default]\naws_access_key_id = {TOKENS['AWS key']}\naws_secret_access_key = {TOKENS['AWS secret']}\n",
        (TOKENS["AWS key"], TOKENS["AWS secret"]),
    ),
    "kubeconfig": (
        f"apiVersion: v1\nkind: Config\nusers:\n- name: me\n  user:\n    token: {TOKENS['JWT']}\n    password: {PASSWORD}\n"
        f"    client-key-data: {_LINES[0]}\n",
        (TOKENS["JWT"], PASSWORD, _LINES[0]),
    ),
    "clouds.yaml": (
        f"clouds:\n  prod:\n    auth: {{username: me, password: {PASSWORD}}}\n    region_name: r\n",
        (PASSWORD,),
    ),
    "openrc": (f"export OS_USERNAME=me\nexport OS_PASSWORD={PASSWORD}\n", (PASSWORD,)),
    "docker config": (f'{{"auths": {{"h.example": {{"auth": "{TOKENS["base64"]}"}}}}}}', (TOKENS["base64"],)),
    ".git-credentials": (f"https://me:{TOKENS['GitLab']}@git.example\n", (TOKENS["GitLab"],)),
    ".git-credentials, a password": (f"https://me:{PASSWORD}@git.example\n", (PASSWORD,)),
    "htpasswd": (f"me:{TOKENS['htpasswd']}\nyou:{TOKENS['bcrypt']}\n", (TOKENS["htpasswd"], TOKENS["bcrypt"])),
    "shadow": (f"root:{TOKENS['crypt']}:19000:0:99999:7:::\n", (TOKENS["crypt"],)),
    ".pgpass": (f"h.example:5432:db:me:{PASSWORD}\n", (PASSWORD,)),
    "environ": (f"HOME=/root\0TOKEN={TOKENS['GitHub']}\0OS_PASSWORD={PASSWORD}\0", (TOKENS["GitHub"], PASSWORD)),
    "Ansible vault": (f"$ANSIBLE_VAULT;1.1;AES256\n{_random_text(41, 80, HEX)}\n", (_random_text(41, 80, HEX),)),
    "header": (f"Authorization: Bearer {TOKENS['letters and digits']}\n", (TOKENS["letters and digits"],)),
    "a password that is an alias": (f"a: *{PASSWORD}\n", (PASSWORD,)),
    "a password that is a tag": (f"a: !{PASSWORD} x\n", (PASSWORD,)),
    "a password that is an anchor, twice": (f"version: 1\nversion: 2\n{PASSWORD}: &x 1\n", ()),
    "a password that is quoted badly": (f'a: "{PASSWORD}\n', (PASSWORD,)),
    "a password with a bad escape": (f'a: "{PASSWORD}\\q"\n', (PASSWORD,)),
    "a password that is a directive": (f"%{PASSWORD} x\n--- a\n", (PASSWORD,)),
    "a password that is a number": (f"version: 1\npassword: !!int {PASSWORD}\n", (PASSWORD,)),
}
"""By kind of file: its content, and the secrets in it."""


TOKEN_FILES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    **{f"token of {name}": (f"{token}\n", (token,)) for name, token in TOKENS.items()},
    **{f"key: token of {name}": (f"key: {token}\n", (token,)) for name, token in TOKENS.items()},
    **{f"token of {name} as a key": (f"version: 1\n{token}: x\n", (token,)) for name, token in TOKENS.items()},
}
"""A token alone, as a value and as a key."""


def find_leaks(text: str, secrets: tuple[str, ...], size: int = 12) -> list[str]:
    """Parts of secrets, of this many characters, that a text contains in any case of letters."""
    folded = text.lower()
    return [
        part
        for secret in secrets
        for start in range(max(1, len(secret) - size + 1))
        if (part := secret[start : start + size]).lower() in folded
    ]
