//! temporary
use std::convert::Infallible;
use std::io::BufRead;
use hashlith_inputs::*;
#[derive(Default)]
struct K(Vec<(Vec<u8>, Vec<u8>)>);
impl Sink for K { type Error = Infallible; fn record(&mut self,_:u32,_:u64,k:&[u8],v:&[u8])->Result<(),Infallible>{ self.0.push((k.to_vec(),v.to_vec())); Ok(()) } }
fn unhex(d:&str)->Vec<u8>{ (0..d.len()).step_by(2).map(|i| u8::from_str_radix(&d[i..i+2],16).unwrap()).collect() }
fn main(){
  let mut n=[0u64;4];
  for line in std::io::stdin().lock().lines() {
    let line=line.unwrap(); let (p,w)=line.split_once(' ').unwrap();
    let bytes=unhex(p);
    let bb=if n[0]%2==0 {16} else {1<<20};
    let o=Options{format:Some(Format::Pickle), values: ValueKind::Json, block_bytes:bb, ..Options::default()};
    let r=read(&[Source::Memory{name:"x".into(),bytes:bytes.into()}],&o,1,K::default,&Watch::default());
    n[0]+=1;
    match (r, w) {
      (Ok((_,s)), "E") => { n[1]+=1; if n[1]<40 { println!("ONLY MINE OK {p} {:?}", s[0].0.iter().map(|(k,v)|format!("{}={}",String::from_utf8_lossy(k),String::from_utf8_lossy(v))).collect::<Vec<_>>()); } }
      (Ok((_,s)), w) => { let got:String=s[0].0.iter().map(|(k,v)| format!("{}:{}", k.iter().map(|b|format!("{b:02x}")).collect::<String>(), v.iter().map(|b|format!("{b:02x}")).collect::<String>())).collect::<Vec<_>>().join(","); 
        n[2]+=1; if got!=w.trim_end_matches('.') { println!("DIFFER {p}\n  {got}\n  {w}"); } }
      (Err(e), w) if w!="E" => { n[3]+=1; if n[3]<60 { println!("ONLY PY OK {e}   {p}"); } }
      _=>{}
    }
  }
  println!("{n:?}");
}
