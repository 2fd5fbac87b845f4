-- Everything that has ever tripped a backup. Statements end with two slashes in a line of their own.
CREATE TABLE `tabSales Order` (name varchar(140) PRIMARY KEY, owner varchar(140), amount decimal(21,9))
  ENGINE=InnoDB ROW_FORMAT=DYNAMIC
//
INSERT INTO `tabSales Order` SELECT CONCAT('SO-', seq), MD5(seq), seq / 7 FROM seq_1_to_500
//
CREATE TABLE `back``tick %_\' "q" ;#` (`a``b` int, `%s` text)
//
INSERT INTO `back``tick %_\' "q" ;#` VALUES (1, 'x'), (2, NULL), (2, NULL)
//
CREATE TABLE `-dash` (i int)
//
CREATE TABLE `tabÜnïcödé 表` (`naïve 名` varchar(50))
//
INSERT INTO `tabÜnïcödé 表` VALUES ('é😀'), (''), (NULL), ('NULL')
//
CREATE TABLE `two
lines` (i int)
//
CREATE TABLE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn (i int AUTO_INCREMENT PRIMARY KEY)
  AUTO_INCREMENT=42
//
CREATE TABLE `表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表` (i int)
//
CREATE TABLE trap (c varchar(200) DEFAULT '
--
-- Table structure for table `aria`
--
INSERT INTO `x` VALUES
(1)' COMMENT 'a ; b', i int)
//
INSERT INTO trap VALUES ('
--
-- Table structure for table `aria`
--
(1)
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
-- Dump completed
', 1)
//
CREATE TABLE kinds (id int PRIMARY KEY, b blob, vb varbinary(20), bits bit(9), dbl double, d date, dt datetime(6),
  ts timestamp NULL, y year, t time(3), e enum('a','b'), s set('x','y'), j json, u uuid, ip inet6, p point,
  l longtext CHARACTER SET latin1, g int AS (id * 2) VIRTUAL, gs int AS (id * 3) PERSISTENT, CHECK (id > -5))
//
INSERT INTO kinds (id, b, vb, bits, dbl, d, dt, ts, y, t, e, s, j, u, ip, p, l) VALUES
  (0, 0x00FF0A0D1A2227275C, 0x00, b'101', 0.1 + 1e-17, '0000-00-00', '2024-02-29 23:59:59.999999',
   '2024-06-01 12:00:00', 1999, '-99:59:59.001', 'b', 'x,y', '{"a": [1, null]}',
   '123e4567-e89b-12d3-a456-426655440000', '2001:db8::1', POINT(1.5, -2), 'café'),
  (1, '', '', b'0', -0.0, NULL, '0000-00-00 00:00:00', NULL, 0, '00:00:00', 'a', '', '[]', NULL, '::', NULL, ''),
  (2, 'line\nbreak\ttab\r\\ quote\' --', NULL, NULL, 1.7976931348623157e308, '2024-00-00', NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
//
CREATE TABLE searched (w varchar(140), FULLTEXT(w)) ENGINE=MyISAM
//
INSERT INTO searched VALUES ('one'), ('two')
//
CREATE TABLE aria (i int) ENGINE=Aria
//
INSERT INTO aria VALUES (1)
//
CREATE TABLE parts (i int) PARTITION BY RANGE (i)
  (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)
//
INSERT INTO parts VALUES (1), (100)
//
CREATE TABLE parent (id int PRIMARY KEY)
//
CREATE TABLE child (id int PRIMARY KEY, parent int,
  CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE)
//
INSERT INTO parent VALUES (1), (2)
//
INSERT INTO child VALUES (10, 1), (20, 2)
//
CREATE TABLE log (what text)
//
CREATE TRIGGER note AFTER INSERT ON parent FOR EACH ROW BEGIN
  -- a comment; with a semicolon
  INSERT INTO log VALUES (CONCAT('parent; ', NEW.id));
END
//
CREATE TRIGGER note_before AFTER INSERT ON parent FOR EACH ROW PRECEDES note INSERT INTO log VALUES ('before')
//
CREATE SEQUENCE seq NOCACHE START WITH 5 INCREMENT BY 2
//
DO NEXTVAL(seq)
//
CREATE SEQUENCE cached
//
DO NEXTVAL(cached)
//
CREATE TABLE numbered (id int DEFAULT NEXTVAL(seq), x int)
//
CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2
//
CREATE PROCEDURE nothing() BEGIN SELECT 'a;b'; END
//
CREATE VIEW b_base AS SELECT name, twice(1) AS two FROM `tabSales Order`
//
CREATE VIEW a_over AS SELECT * FROM b_base
//
CREATE TABLE vanishing (i int)
//
CREATE VIEW broken AS SELECT * FROM vanishing
//
DROP TABLE vanishing
//
CREATE EVENT later ON SCHEDULE AT '2037-01-01 00:00:00' DISABLE DO DELETE FROM log
