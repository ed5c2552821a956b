"""AuthService: users, by admins."""

from email.message import EmailMessage

from google.protobuf.empty_pb2 import Empty

from phoenix_grpc import model
from phoenix_grpc.credentials.emails import checked_email
from phoenix_grpc.credentials.secrets import digest, new_token
from phoenix_grpc.errors import Invalid
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.ids import MAX_ID, decode_id
from phoenix_grpc.model import AuthMethod, Role, User
from phoenix_grpc.services.auth.messages import user_message, user_target
from phoenix_grpc.services.auth.methods import AuthMethods, require_interactive
from phoenix_grpc.services.fields import checked_name, known_enum
from phoenix_grpc.services.paging import page, page_position, page_size, page_token
from phoenix_grpc.store.accounts import passwords, users
from phoenix_grpc.store.accounts.users import UserChange
from phoenix_grpc.v1 import auth_pb2

WELCOME_LIFETIME = 3 * 86_400_000_000
"""Microseconds for which the link in a welcome mail works."""

_GRANTABLE: dict[int, Role] = {
    auth_pb2.Role.ROLE_ADMIN: Role.ADMIN,
    auth_pb2.Role.ROLE_MEMBER: Role.MEMBER,
    auth_pb2.Role.ROLE_VIEWER: Role.VIEWER,
}


class UserMethods(AuthMethods):
    """Methods that create, list, change and delete users."""

    async def CreateUser(self, request: auth_pb2.CreateUserRequest) -> auth_pb2.User:
        role = _granted_role(request)
        if request.password:
            require_interactive(current_call.get().principal, "set a password")
        email = checked_email(request.email, "email")
        username = checked_name(request.username or email, "username")
        method = _auth_method(request)
        if request.password and method is not AuthMethod.LOCAL:
            raise Invalid("password", f"must be empty: a user of AUTH_METHOD_{method.value} has no password here")
        password = self.desk.checked(request.password, "password") if request.password else None
        password_hash = await self.desk.hashed(password) if password else None
        user = await self.change(
            "user.create", user_target, users.insert_user, email, username, role, password_hash, method
        )
        if request.send_welcome_email and method is AuthMethod.LOCAL and self.mailer.enabled:
            self.mailer.post(lambda: self._welcome_mail(user))
        return user_message(user)

    async def _welcome_mail(self, user: User) -> EmailMessage:
        token = new_token()
        await self.engine.write(passwords.put_reset, user.id, digest(token), model.now() + WELCOME_LIFETIME)
        return self.mailer.welcome_mail(user.email, token)

    async def GetUser(self, request: auth_pb2.GetUserRequest) -> auth_pb2.User:
        return user_message(await self.engine.read(users.get_user, _user_number(request)))

    async def ListUsers(self, request: auth_pb2.ListUsersRequest) -> auth_pb2.ListUsersResponse:
        size = page_size(request)
        before = page_position(request, (int,))
        rows = await self.engine.read(users.list_users, before[0] if before else MAX_ID, size + 1)
        found = page(rows, size, user_message)
        return auth_pb2.ListUsersResponse(
            users=found.messages, next_page_token=page_token(request, found.last.id) if found.last else ""
        )

    async def UpdateUser(self, request: auth_pb2.UpdateUserRequest) -> auth_pb2.User:
        number, principal = _user_number(request), current_call.get().principal
        username = checked_name(request.username, "username") if request.HasField("username") else None
        role = _granted_role(request) if request.HasField("role") else None
        password_hash = None
        if request.HasField("password"):
            require_interactive(principal, "set a password")
            password_hash = await self.desk.hashed(self.desk.checked(request.password, "password"))
        change = UserChange(username, role, password_hash)
        user = await self.change("user.update", user_target, users.update_user, number, change, principal.user_id)
        return user_message(user)

    async def DeleteUser(self, request: auth_pb2.DeleteUserRequest) -> Empty:
        number, actor_id = _user_number(request), current_call.get().principal.user_id
        await self.change("user.delete", user_target, users.delete_user, number, actor_id)
        return Empty()


def _user_number(request: auth_pb2.GetUserRequest | auth_pb2.UpdateUserRequest | auth_pb2.DeleteUserRequest) -> int:
    return decode_id("User", request.user_id, "user_id")


def _auth_method(request: auth_pb2.CreateUserRequest) -> AuthMethod:
    """How the user signs in, LOCAL by default.

    Raises:
        Invalid: when it is none that this release knows.
    """
    value = known_enum(request, "auth_method") or auth_pb2.AuthMethod.AUTH_METHOD_LOCAL
    return AuthMethod(auth_pb2.AuthMethod.Name(value).removeprefix("AUTH_METHOD_"))


def _granted_role(request: auth_pb2.CreateUserRequest | auth_pb2.UpdateUserRequest) -> Role:
    """The role to give.

    Raises:
        Invalid: when nobody can be given it.
        PermissionDenied: when an API key grants ADMIN.
    """
    role = _GRANTABLE.get(known_enum(request, "role"))
    if role is None:
        raise Invalid("role", "must be ROLE_ADMIN, ROLE_MEMBER or ROLE_VIEWER")
    if role is Role.ADMIN:
        require_interactive(current_call.get().principal, "make an admin")
    return role
