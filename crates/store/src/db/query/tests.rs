use super::{Rows, Value};

fn json(width: usize, rows: &[&[Value<'static>]]) -> Option<String> {
    let mut made = Rows::new(width, rows.len()).with_texts(&[2]);
    for row in rows {
        made.add(row.iter().cloned());
    }
    made.to_json().ok()
}

#[test]
fn rows_are_written_as_the_statements_read_them() {
    let row: &[Value<'static>] =
        &[7_i64.into(), "a\"b".into(), b"{}".to_vec().into(), vec![0_u8, 255].into()];
    assert_eq!(json(4, &[row]).unwrap(), r#"[[7,"a\"b","{}","00ff"]]"#);
    assert_eq!(json(1, &[&["x".into()], &[None::<String>.into()]]).unwrap(), r#"["x",null]"#);
    assert_eq!(json(2, &[]).unwrap(), "[]");
}

#[test]
fn rows_that_do_not_fit_their_columns_are_not_written() {
    let (one, two): (Value<'static>, Value<'static>) = (1_i64.into(), "2".into());
    assert_eq!(json(2, &[&[1_i64.into()]]), None, "too few");
    assert_eq!(json(1, &[&[one.clone(), two.clone()]]), None, "too many");
    assert_eq!(json(1, &[&[one], &[two]]), None, "of two types");
    assert_eq!(
        json(3, &[&[1_i64.into(), 1_i64.into(), vec![255_u8].into()]]),
        None,
        "no UTF-8 where text is said"
    );
}
