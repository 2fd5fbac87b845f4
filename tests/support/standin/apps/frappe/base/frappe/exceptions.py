# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors, with the HTTP status each one answers with."""

from __future__ import annotations


class ValidationError(Exception):
    http_status_code = 417


class AuthenticationError(Exception):
    http_status_code = 401


class PermissionError(Exception):
    http_status_code = 403


class DoesNotExistError(ValidationError):
    http_status_code = 404


class IncorrectSitePath(Exception):
    http_status_code = 404


class SessionStopped(Exception):
    http_status_code = 503


class InReadOnlyMode(ValidationError):
    http_status_code = 503


class SiteNotSpecifiedError(Exception):
    def __str__(self) -> str:
        return "Please specify --site sitename"


class LockTimeoutError(Exception):
    pass


class ImplicitCommitError(ValidationError):
    pass


class InvalidDatabaseFile(ValidationError):
    pass


class CommandFailedError(Exception):
    pass
