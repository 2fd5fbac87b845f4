-- Copyright (c) 2026, The lockstep.deploy authors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
-- Tables that have to be there before doctypes can be synced.
CREATE TABLE `tabDocType` (
  `name` varchar(140) NOT NULL PRIMARY KEY, `creation` datetime(6), `modified` datetime(6), `modified_by` varchar(140),
  `owner` varchar(140), `docstatus` tinyint(4) NOT NULL DEFAULT 0, `idx` int(8) NOT NULL DEFAULT 0,
  `_user_tags` text, `_comments` text, `_assign` text, `_liked_by` text,
  `module` varchar(140), `issingle` tinyint(4) NOT NULL DEFAULT 0, `istable` tinyint(4) NOT NULL DEFAULT 0,
  `autoname` varchar(140), `migration_hash` varchar(140), INDEX `modified` (`modified`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `tabDocField` (
  `name` varchar(140) NOT NULL PRIMARY KEY, `creation` datetime(6), `modified` datetime(6), `modified_by` varchar(140),
  `owner` varchar(140), `docstatus` tinyint(4) NOT NULL DEFAULT 0, `idx` int(8) NOT NULL DEFAULT 0,
  `parent` varchar(140), `parentfield` varchar(140), `parenttype` varchar(140),
  `fieldname` varchar(140), `fieldtype` varchar(140), `label` varchar(140), INDEX `parent` (`parent`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `tabDocPerm` (
  `name` varchar(140) NOT NULL PRIMARY KEY, `creation` datetime(6), `modified` datetime(6), `modified_by` varchar(140),
  `owner` varchar(140), `docstatus` tinyint(4) NOT NULL DEFAULT 0, `idx` int(8) NOT NULL DEFAULT 0,
  `parent` varchar(140), `parentfield` varchar(140), `parenttype` varchar(140),
  `role` varchar(140), `read` tinyint(4) NOT NULL DEFAULT 0, INDEX `parent` (`parent`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `tabDefaultValue` (
  `name` varchar(140) NOT NULL PRIMARY KEY, `creation` datetime(6), `modified` datetime(6), `modified_by` varchar(140),
  `owner` varchar(140), `docstatus` tinyint(4) NOT NULL DEFAULT 0, `idx` int(8) NOT NULL DEFAULT 0,
  `parent` varchar(140), `parentfield` varchar(140), `parenttype` varchar(140),
  `defvalue` text, `defkey` varchar(140), INDEX `parent` (`parent`), INDEX `parent_defkey` (`parent`, `defkey`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `tabSingles` (
  `doctype` varchar(255), `field` varchar(255), `value` longtext, INDEX `singles_doctype_field` (`doctype`, `field`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `tabSeries` (`name` varchar(100) NOT NULL PRIMARY KEY, `current` int(10) NOT NULL DEFAULT 0)
  ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `tabSessions` (
  `user` varchar(255), `sid` varchar(255), `sessiondata` longtext, `ipaddress` varchar(16), `lastupdate` datetime(6),
  `status` varchar(20), INDEX `sid` (`sid`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `__Auth` (
  `doctype` varchar(140) NOT NULL, `name` varchar(255) NOT NULL, `fieldname` varchar(140) NOT NULL,
  `password` text NOT NULL, `encrypted` tinyint(1) NOT NULL DEFAULT 0, PRIMARY KEY (`doctype`, `name`, `fieldname`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `__global_search` (
  `doctype` varchar(100), `name` varchar(140), `title` varchar(140), `content` text, `route` varchar(140),
  `published` tinyint(1) NOT NULL DEFAULT 0, FULLTEXT (`content`), UNIQUE `doctype_name` (`doctype`, `name`)
) ENGINE=MyISAM CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `__UserSettings` (
  `user` varchar(180) NOT NULL, `doctype` varchar(180) NOT NULL, `data` text, UNIQUE (`user`, `doctype`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
