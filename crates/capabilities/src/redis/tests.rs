//! What a server answers, as a guest is given it.

use super::answer;
use super::session::Leaves;
use super::wit::redis::{Error, RedisResult};
use redis::Value;

#[test]
fn answers_keep_their_types() {
    let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
    assert_eq!(answer::bytes(Value::Nil).unwrap(), None);
    assert_eq!(answer::bytes(bulk("a")).unwrap(), Some(b"a".to_vec()));
    assert!(matches!(
        answer::bytes(Value::Int(1)),
        Err(Error::TypeError)
    ));
    assert_eq!(answer::number::<u32>(Value::Int(7)).unwrap(), 7);
    assert!(answer::number::<u32>(Value::Int(-1)).is_err());
    assert!(answer::number::<i64>(bulk("1")).is_err());
    let texts = Value::Array(vec![bulk("a"), bulk("b")]);
    assert_eq!(answer::texts(texts).unwrap(), ["a", "b"]);
    assert!(answer::texts(Value::Array(vec![Value::BulkString(vec![0xff])])).is_err());
    let nested = Value::Array(vec![
        Value::Okay,
        Value::Array(vec![Value::Int(1), Value::Nil]),
        Value::SimpleString("PONG".to_owned()),
        Value::Map(vec![(bulk("k"), bulk("v"))]),
    ]);
    assert_eq!(
        answer::results(nested).unwrap(),
        [
            RedisResult::Status("OK".to_owned()),
            RedisResult::Int64(1),
            RedisResult::Nil,
            RedisResult::Status("PONG".to_owned()),
            RedisResult::Binary(b"k".to_vec()),
            RedisResult::Binary(b"v".to_vec()),
        ]
    );
}

#[test]
fn what_a_command_leaves_behind() {
    for (command, leaves) in [
        ("MULTI", Leaves::Transaction),
        ("Exec", Leaves::NoTransaction),
        (" select ", Leaves::Setting),
        ("BLPOP", Leaves::Waiting),
        ("GET", Leaves::Nothing),
        ("append", Leaves::Nothing),
    ] {
        assert_eq!(Leaves::by(command), leaves, "{command}");
    }
}
