use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{DecodeContext, WireType},
};
use prost_types::{ListValue, Struct, Value as ProtoValue, value::Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON object, kept as received. In JSON, the wire form, numbers are exact; the protobuf form is `google.protobuf.Struct`, whose
/// numbers are doubles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonObject(pub Map<String, Value>);

impl Message for JsonObject {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        to_struct(&self.0).encode_raw(buf);
    }

    fn merge_field(&mut self, tag: u32, wire_type: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError> {
        let mut merged = to_struct(&self.0);
        merged.merge_field(tag, wire_type, buf, ctx)?;
        self.0 = from_struct(merged);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        to_struct(&self.0).encoded_len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

fn to_struct(map: &Map<String, Value>) -> Struct {
    Struct { fields: map.iter().map(|(key, value)| (key.clone(), to_proto(value))).collect() }
}

fn to_proto(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(to_proto).collect() }),
        Value::Object(map) => Kind::StructValue(to_struct(map)),
    };
    ProtoValue { kind: Some(kind) }
}

fn from_struct(message: Struct) -> Map<String, Value> {
    message.fields.into_iter().map(|(key, value)| (key, from_proto(value))).collect()
}

fn from_proto(value: ProtoValue) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::NumberValue(number)) => serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(from_proto).collect()),
        Some(Kind::StructValue(inner)) => Value::Object(from_struct(inner)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_survive_json_exactly() {
        let text = r#"{"cnpj":12345678000195123,"taxa":0.1}"#;
        let object: JsonObject = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&object).unwrap(), text);
    }

    #[test]
    fn protobuf_form_round_trips() {
        let Value::Object(map) = json!({"a": [1.5, null, true], "b": {"c": "d"}}) else { panic!() };
        let object = JsonObject(map);
        assert_eq!(JsonObject::decode(object.encode_to_vec().as_slice()).unwrap(), object);
    }
}
