-- What the suite's component for PostgreSQL finds: a row of each kind, to which it adds another one.
SET client_min_messages = warning;

DROP TABLE IF EXISTS test_numeric_types, test_character_types, test_date_time_types, test_json_types,
    test_uuid_type, test_nullable, test_range_types, test_array_types;

CREATE TABLE test_numeric_types (
    id int4,
    rsmallserial smallserial, rsmallint smallint, rint2 int2,
    rserial serial, rint int, rint4 int4,
    rbigserial bigserial, rbigint bigint, rint8 int8,
    rreal real, rdouble double precision, rnumeric numeric
);
INSERT INTO test_numeric_types (id, rsmallint, rint2, rint, rint4, rbigint, rint8, rreal, rdouble, rnumeric)
    VALUES (1, 1, 2, 3, 4, 5, 6, 7.8, 9.1, 0.123456789);

CREATE TABLE test_character_types (id int4, rvarchar varchar(40), rtext text, rchar char(10));
INSERT INTO test_character_types VALUES (1, 'rvarchar', 'rtext', 'rchar');

CREATE TABLE test_date_time_types (id int4, rdate date, rtime time, rtimestamp timestamp, rinterval interval);
INSERT INTO test_date_time_types
    VALUES (1, '2525-12-25', '04:05:06.789', '1989-11-24 01:02:03', '1 year 2 months 3 days 4 hours 5 minutes 6.7 seconds');

CREATE TABLE test_json_types (id int4, j jsonb);
INSERT INTO test_json_types VALUES (1, '{"s": "hello", "n": 123, "b": true, "x": null}');

CREATE TABLE test_uuid_type (id int4, u uuid);
INSERT INTO test_uuid_type VALUES (1, '12345678-1234-1234-1234-123456789abc');

CREATE TABLE test_nullable (id int4, rvarchar varchar(40));
INSERT INTO test_nullable VALUES (1, NULL);

CREATE TABLE test_range_types (id int4, r4 int4range, r8 int8range, rnum numrange);
INSERT INTO test_range_types VALUES (1, '(1,40]', '[123456789012,234567890123)', '(,100)');

CREATE TABLE test_array_types (id int4, i4arr int4[], i8arr int8[], numarr numeric[], strarr text[]);
INSERT INTO test_array_types
    VALUES (1, '{1,2,3}', '{101,102,103,104}', '{1.234,2.345}', '{"hello","mum"}');
